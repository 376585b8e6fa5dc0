"""
Putting other functions in the place of Python's own, for good.

A function has many owners by the time user code runs: modules that imported it, default values,
class attributes. All of them get the new one.
"""

import os
import sys
import types
from collections.abc import Mapping
from typing import Any

__all__ = ["Replacements"]


class Replacements:
    """Collects replacements and puts them in place."""

    def __init__(self) -> None:
        self._new: dict[int, Any] = {}

    def add(self, module: types.ModuleType, name: str, function: Any) -> None:
        """Have `function` stand for what the module has by that name now."""
        self._new[id(getattr(module, name))] = function
        setattr(module, name, function)

    def spread(self) -> None:
        """Replace wherever modules that are already imported keep an old function."""
        for module in tuple(sys.modules.values()):
            names = getattr(module, "__dict__", {})
            for name, value in tuple(names.items()):
                if id(value) in self._new:
                    names[name] = self._new[id(value)]
                elif isinstance(value, (type, types.FunctionType)):
                    _replace_in(value, self._new, module.__name__)
        for name in dir(os):
            supported = getattr(os, name)
            if name.startswith("supports_") and isinstance(supported, set):
                supported |= {self._new[id(each)] for each in supported if id(each) in self._new}


def _replace_in(value: Any, new: Mapping[int, Any], module: str) -> None:
    """Replace in the defaults of a function, or in the attributes of a class."""
    if getattr(value, "__module__", None) != module:
        return
    if isinstance(value, types.FunctionType):
        if value.__defaults__ and any(id(each) in new for each in value.__defaults__):
            value.__defaults__ = tuple(new.get(id(each), each) for each in value.__defaults__)
        return
    for name, member in tuple(vars(value).items()):
        if id(member) in new:
            # A C function in a class is no method; neither must the new one be.
            setattr(value, name, staticmethod(new[id(member)]))
        elif isinstance(member, types.FunctionType):
            _replace_in(member, new, module)

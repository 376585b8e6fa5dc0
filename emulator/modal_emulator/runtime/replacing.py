"""
Putting other functions in the place of Python's own, for good.

A function has many owners by the time user code runs: modules that imported it, default values,
class attributes. Finding them all takes tens of milliseconds, so the zygote looks once, and each
container only replaces. Modules imported later see the new functions in any case.
"""

import importlib
import io
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["Places"]

# Where the functions that somebody may want to replace are defined.
_HOMES = ("posix", "_io", "_posixsubprocess", "_ctypes", "_sqlite3", "_dbm", "_gdbm")

Put = Callable[[Mapping[int, Any]], None]


class Places:
    """Everywhere that one of Python's own functions is kept in this process."""

    def __init__(self) -> None:
        self._originals: dict[int, Any] = {}
        for name in _HOMES:
            try:
                home = importlib.import_module(name)
            except ImportError:
                continue  # Python was built without it
            for each in vars(home).values():
                if isinstance(each, types.BuiltinFunctionType) or each is io.FileIO:
                    self._originals[id(each)] = each
        self._puts = tuple(_look_around(self._originals))

    def replace(self, new: Mapping[tuple[types.ModuleType, str], Any]) -> None:
        """Have new functions stand for what modules have by these names."""
        by_id = {}
        for (module, name), function in new.items():
            by_id[id(getattr(module, name))] = function
            setattr(module, name, function)
        for put in self._puts:
            put(by_id)


def _look_around(originals: Mapping[int, Any]) -> Iterable[Put]:
    for module in tuple(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        for name, value in tuple(names.items()):
            if id(value) in originals:
                yield _in_module(names, name, id(value))
            elif isinstance(value, (type, types.FunctionType)) and (
                getattr(value, "__module__", None) == module.__name__
            ):
                yield from _look_in(value, originals)
    for name in dir(os):
        value = getattr(os, name)
        if name.startswith("supports_") and isinstance(value, set):
            yield _in_set(value)


def _look_in(value: Any, originals: Mapping[int, Any]) -> Iterable[Put]:
    """Look in the defaults of a function, or in the attributes of a class."""
    if isinstance(value, types.FunctionType):
        if any(id(each) in originals for each in value.__defaults__ or ()):
            yield _in_defaults(value)
        return
    for name, member in tuple(vars(value).items()):
        held = member.__func__ if isinstance(member, staticmethod) else member
        if id(held) in originals:
            yield _in_class(value, name, id(held))
        elif isinstance(member, types.FunctionType):
            yield from _look_in(member, originals)


def _in_module(names: dict[str, Any], name: str, known: int) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        if known in new:
            names[name] = new[known]

    return put


def _in_class(owner: type, name: str, known: int) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        if known in new:
            # A C function in a class is no method; neither must the new one be.
            setattr(owner, name, staticmethod(new[known]))

    return put


def _in_defaults(function: types.FunctionType) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        defaults = function.__defaults__ or ()
        function.__defaults__ = tuple(new.get(id(each), each) for each in defaults)

    return put


def _in_set(functions: set[Any]) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        functions.update([new[id(each)] for each in functions if id(each) in new])

    return put

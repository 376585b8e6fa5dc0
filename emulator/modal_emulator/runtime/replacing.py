"""
Putting other functions in the place of Python's own, for good or until they are put back.

A function has many owners by the time user code runs: modules that imported it, default values,
class attributes. Finding them all takes tens of milliseconds, so the zygote looks once, and each
container only replaces. Modules imported later see the new functions in any case.
"""

import importlib
import inspect
import io
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

__all__ = ["Places", "wrap_one"]

# Where the functions that somebody may want to replace are defined.
_HOMES = ("posix", "_io", "_posixsubprocess", "_ctypes", "_sqlite3", "_dbm", "_gdbm")

# Where others put functions of their own around these, at any time.
_BUSY = ("os", "subprocess", *_HOMES)

Put = Callable[[Mapping[int, Any]], None]
"""Has what is kept at one place follow a table of functions, by the ids of those there so far."""


class Places:
    """Everywhere that one of Python's own functions is kept in this process."""

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}
        for name in _HOMES:
            try:
                home = importlib.import_module(name)
            except ImportError:
                continue  # Python was built without it
            for there in tuple(vars(home).values()):
                each = inspect.unwrap(there) if callable(there) else there
                if isinstance(each, types.BuiltinFunctionType) or each is io.FileIO:
                    self._known[id(each)] = each
        self._seen: dict[int, types.ModuleType] = {}
        self._puts: list[Put] = []
        self.look()

    def look(self) -> None:
        """Look through the modules that were imported since the last time."""
        modules = [each for each in tuple(sys.modules.values()) if id(each) not in self._seen]
        self._puts.extend(_look_around(modules, self._known))
        self._seen.update((id(each), each) for each in modules)

    def replace(self, new: Mapping[tuple[types.ModuleType, str], Any]) -> Callable[[], None]:
        """
        Have new functions stand for what modules have by these names.

        Returns what puts the old ones back, also in modules that imported the new ones meanwhile.
        """
        old = {(module, name): inspect.unwrap(getattr(module, name)) for module, name in new}
        self._known.update((id(function), function) for function in new.values())
        self._swap([(old[where], new[where]) for where in new])

        def put_back() -> None:
            self.look()
            self._swap([(new[where], old[where]) for where in new])

        return put_back

    def _swap(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        by_id = {id(there): wanted for there, wanted in pairs}
        busy = [sys.modules[name] for name in _BUSY if name in sys.modules]
        for put in (*self._puts, *_look_around(busy, self._known)):
            put(by_id)


def _look_around(modules: Iterable[Any], known: Mapping[int, Any]) -> Iterator[Put]:
    for module in modules:
        names = _names(module)
        for name, value in tuple(names.items()):
            if id(value) in known:
                yield _in_module(names, name)
            elif isinstance(value, types.FunctionType) and hasattr(value, "__wrapped__"):
                yield from _look_below(value, known)
            elif isinstance(value, (type, types.FunctionType)) and (
                getattr(value, "__module__", None) == names.get("__name__")
            ):
                yield from _look_in(value, known)
        if module is os:
            for name, value in names.items():
                if name.startswith("supports_") and isinstance(value, set):
                    yield _in_set(value)


def _names(module: Any) -> dict[str, Any]:
    """Return a module's names without asking the module, which may load itself when asked."""
    try:
        names = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return names if isinstance(names, dict) else {}


def _look_in(value: Any, known: Mapping[int, Any]) -> Iterator[Put]:
    """Look in the defaults of a function, or in the attributes of a class."""
    if isinstance(value, types.FunctionType):
        if any(id(each) in known for each in value.__defaults__ or ()):
            yield _in_defaults(value)
        return
    for name, member in tuple(vars(value).items()):
        held = member.__func__ if isinstance(member, staticmethod) else member
        if id(held) in known:
            yield _in_class(value, name)
        elif isinstance(member, types.FunctionType):
            yield from _look_in(member, known)


def _look_below(wrapper: types.FunctionType, known: Mapping[int, Any]) -> Iterator[Put]:
    """Look at what a function that stands for another calls itself."""
    for cell in wrapper.__closure__ or ():
        with suppress(ValueError):  # nothing is in it yet
            if id(cell.cell_contents) in known:
                yield _in_cell(cell)


def _in_cell(cell: types.CellType) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        there = id(cell.cell_contents)
        if there in new:
            cell.cell_contents = new[there]

    return put


def _in_module(names: dict[str, Any], name: str) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        there = id(names.get(name))
        if there in new:
            names[name] = new[there]

    return put


def _in_class(owner: type, name: str) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        member = vars(owner).get(name)
        there = id(member.__func__ if isinstance(member, staticmethod) else member)
        if there in new:
            # A C function in a class is no method; neither must the new one be.
            wanted = new[there]
            is_python = isinstance(wanted, types.FunctionType)
            setattr(owner, name, staticmethod(wanted) if is_python else wanted)

    return put


def _in_defaults(function: types.FunctionType) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        defaults = function.__defaults__ or ()
        if any(id(each) in new for each in defaults):
            function.__defaults__ = tuple(new.get(id(each), each) for each in defaults)

    return put


def _in_set(functions: set[Any]) -> Put:
    def put(new: Mapping[int, Any]) -> None:
        for each in tuple(functions):
            if id(each) in new:
                functions.add(new[id(each)])
                if isinstance(each, types.FunctionType):
                    functions.discard(each)  # one of ours; what others kept still counts

    return put


def wrap_one(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Callable[[], None]:
    """Put what `wrap` makes of a module's or class's own member there; returns what undoes that."""
    original = owner.__dict__[name]
    setattr(owner, name, wrap(original))
    return lambda: setattr(owner, name, original)

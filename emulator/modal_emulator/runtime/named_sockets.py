"""
Sockets with a name in the file system, where names are redirected.

`bind` and `connect` take the name as text that the kernel looks up, and have room for some hundred
bytes: less than the way to a shadow takes. So the directory is opened and named by its number.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from modal_emulator.runtime.portable import Find, Names

__all__ = ["redirect_sockets"]

Function = Callable[..., Any]

_ROOM = 100  # bytes; 108 on Linux, 104 on macOS, with the zero at the end
_FILES = "/proc/self/fd"


def redirect_sockets(find: Find) -> Callable[[], None]:
    """Have sockets find their names as files are found; returns what takes that back."""
    bound: WeakKeyDictionary[socket.socket, Any] = WeakKeyDictionary()
    kind = socket.socket
    new = {
        "bind": _binding(find, kind.bind, bound),
        "connect": _looking(find, kind.connect),
        "connect_ex": _looking(find, kind.connect_ex),
        "getsockname": _telling(kind.getsockname, bound),
    }
    for name, function in new.items():
        setattr(kind, name, function)

    def take_back() -> None:
        for name in new:
            delattr(kind, name)  # what C has shows again

    return take_back


def _looking(find: Find, original: Function) -> Function:
    def redirected(self: socket.socket, address: Any, /) -> Any:
        names = find()
        if names is None or self.family != socket.AF_UNIX or not _is_file(address):
            return original(self, address)
        with _within_reach(names, os.fsdecode(address)) as name:
            return original(self, name)

    return redirected


def _binding(
    find: Find, original: Function, bound: "WeakKeyDictionary[socket.socket, Any]"
) -> Function:
    bind = _looking(find, original)

    def redirected(self: socket.socket, address: Any, /) -> None:
        names = find()
        if names is None or self.family != socket.AF_UNIX or not _is_file(address):
            original(self, address)
            return
        if names.forbids(os.fsdecode(address)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        bind(self, address)
        bound[self] = os.fsdecode(address)

    return redirected


def _telling(original: Function, bound: "WeakKeyDictionary[socket.socket, Any]") -> Function:
    def redirected(self: socket.socket, /) -> Any:
        return bound[self] if self in bound else original(self)

    return redirected


def _is_file(address: Any) -> bool:
    """Tell whether an address is no name of the kernel's own, and not none at all."""
    return isinstance(address, (str, bytes)) and os.fsencode(address)[:1] not in (b"", b"\0")


@contextmanager
def _within_reach(names: Names, address: str) -> Iterator[str]:
    place = names.inside(address)
    if len(os.fsencode(place)) <= _ROOM or not os.path.isdir(_FILES):  # noqa: PTH112
        yield place
        return
    head, name = os.path.split(address)
    directory = os.open(head or os.curdir, os.O_RDONLY)
    try:
        yield str(Path(_FILES, str(directory), name))
    finally:
        os.close(directory)

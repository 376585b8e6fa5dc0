"""
File functions that tell a container's `Watcher` of what they do in volumes.

They stand for Python's own, or for redirected ones, as `replacing` puts them; for code that nobody
watches they cost one question. Files are opened with a raw file of ours below, whose `close` is a
step; everything above it is Python's own. What opens files without Python is not seen: C
libraries, SQLite after its database was opened, and programs, of which only the start is.
"""

import functools
import importlib
import inspect
import io
import os
import posix
import types
from collections.abc import Callable, Mapping
from typing import Any

from modal_emulator.ground.steps import KEEPING, Kind
from modal_emulator.runtime.assembling import assemble
from modal_emulator.runtime.watcher import Find

__all__ = ["watchings"]

Function = Callable[..., Any]
Functions = Mapping[tuple[types.ModuleType, str], Any]

# Functions of one path: what they do there.
_KINDS = {
    Kind.LOOK: "stat lstat access readlink",
    Kind.LIST: "listdir scandir",
    Kind.MAKE: "mkdir mkfifo mknod",
    Kind.REMOVE: "remove unlink rmdir",
    Kind.CHANGE: "chmod chown lchown removexattr setxattr truncate utime",
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_EMPTYING = os.O_TRUNC | os.O_EXCL
_NOWHERE = ("", "")


def watchings(find: Find, others: Functions) -> Functions:
    """Return what is to stand for Python's functions; `others` stand for some of them already."""
    files, programs, databases = (
        importlib.import_module(name) for name in ("_io", "_posixsubprocess", "_sqlite3")
    )

    def now(module: types.ModuleType, name: str) -> Any:
        given = others.get((module, name))
        return inspect.unwrap(getattr(module, name)) if given is None else given

    watch = _Watch(find)
    new: dict[tuple[types.ModuleType, str], Any] = dict(others)
    for kind, names in _KINDS.items():
        for name in names.split():
            new[posix, name] = watch.function(kind, now(posix, name))
    for name in ("rename", "replace"):
        new[posix, name] = watch.moving(now(posix, name))
    for name in ("link", "symlink"):
        new[posix, name] = watch.linking(now(posix, name))
    for name in ("posix_spawn", "posix_spawnp"):
        new[posix, name] = watch.running(now(posix, name), at=1)
    new[posix, "system"] = watch.running(now(posix, "system"), at=None)
    new[posix, "open"] = watch.opening(now(posix, "open"))
    new[posix, "close"] = watch.closing(now(posix, "close"))
    raw = watch.raw_file(now(files, "FileIO"))
    new[files, "FileIO"] = raw
    new[files, "open"] = watch.file(now(files, "open"), raw)
    new[files, "open_code"] = watch.function(Kind.READ, now(files, "open_code"))
    new[programs, "fork_exec"] = watch.running(now(programs, "fork_exec"), at=0)
    new[databases, "connect"] = watch.connecting(now(databases, "connect"))
    return new


class _Watch:
    """Makes the functions that stand for the original ones."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def function(self, kind: Kind, original: Function) -> Function:
        """Return a function of one path, its first argument."""
        find = self._find
        is_list = kind is Kind.LIST

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            watcher = find()
            if watcher is None:
                return original(*args, **kwargs)
            path = args[0] if args else kwargs.get("path")
            if path is None and is_list:
                path = os.curdir
            elif type(path) is int and not is_list:
                return original(*args, **kwargs)
            spot = watcher.spot(path, kwargs.get("dir_fd"))
            if spot is None:
                return original(*args, **kwargs)
            return watcher.do(kind, spot, original, *args, **kwargs)

        return watched

    def moving(self, original: Function) -> Function:
        """Return `os.rename`: out of a volume it removes there, into one it writes there."""
        find = self._find

        @functools.wraps(original)
        def watched(src: Any, dst: Any, **kwargs: Any) -> Any:
            watcher = find()
            if watcher is None:
                return original(src, dst, **kwargs)
            watcher.links_may_differ()
            old = watcher.spot(src, kwargs.get("src_dir_fd"))
            new = watcher.spot(dst, kwargs.get("dst_dir_fd"))
            if old is not None and new is not None and old[0] == new[0]:
                return watcher.do(Kind.RENAME, old, original, src, dst, to=new[1], **kwargs)
            if new is not None:
                return watcher.do(Kind.WRITE, new, original, src, dst, **kwargs)
            if old is not None:
                return watcher.do(Kind.REMOVE, old, original, src, dst, **kwargs)
            return original(src, dst, **kwargs)

        return watched

    def linking(self, original: Function) -> Function:
        """Return what makes a link."""
        find = self._find

        @functools.wraps(original)
        def watched(src: Any, dst: Any, *args: Any, **kwargs: Any) -> Any:
            watcher = find()
            if watcher is None:
                return original(src, dst, *args, **kwargs)
            watcher.links_may_differ()
            spot = watcher.spot(dst, kwargs.get("dst_dir_fd", kwargs.get("dir_fd")))
            if spot is None:
                return original(src, dst, *args, **kwargs)
            return watcher.do(Kind.MAKE, spot, original, src, dst, *args, **kwargs)

        return watched

    def opening(self, original: Function) -> Function:
        """Return `os.open`."""
        find = self._find

        @functools.wraps(original)
        def watched(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
            watcher = find()
            if watcher is None:
                return original(path, flags, *args, **kwargs)
            spot = watcher.spot(path, kwargs.get("dir_fd"))
            if spot is None:
                file = original(path, flags, *args, **kwargs)
                watcher.files.pop(file, None)  # closed since, by other means
                return file
            kind = Kind.WRITE if flags & _WRITING else Kind.READ
            keeps = KEEPING if kind is Kind.WRITE and not flags & _EMPTYING else ()
            file = watcher.do(kind, spot, original, path, flags, *args, arguments=keeps, **kwargs)
            watcher.files[file] = spot
            return file

        return watched

    def closing(self, original: Function) -> Function:
        """Return `os.close`."""
        find = self._find

        @functools.wraps(original)
        def watched(fd: Any) -> Any:
            watcher = find()
            spot = watcher.files.pop(fd, None) if watcher is not None else None
            if watcher is None or spot is None:
                return original(fd)
            return watcher.do(Kind.CLOSE, spot, original, fd)

        return watched

    def raw_file(self, original: Any) -> Any:
        """Return `io.FileIO`, with an open and a close that are steps."""
        find = self._find
        python = io.FileIO if io.FileIO in original.__mro__ else original.__mro__[1]

        class Kinds(type(original)):  # type: ignore[misc]
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, python)

            def __subclasscheck__(cls, other: type) -> bool:
                return issubclass(other, python)

        class FileIO(original, metaclass=Kinds):  # type: ignore[misc]
            def __init__(
                self, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None
            ) -> None:
                self.__watcher = watcher = find()
                if watcher is not None and opener is None and watcher.spot(file) is not None:
                    opener = None if isinstance(file, int) else _open_for_all
                super().__init__(file, mode, closefd, opener)

            def __repr__(self) -> str:
                # Newer Pythons say the type's bare name.
                return str(super().__repr__()).replace("<FileIO", "<_io.FileIO", 1)

            def close(self) -> Any:
                watcher = self.__watcher
                if watcher is None or self.closed or not self.closefd:
                    return super().close()
                spot = watcher.files.pop(self.fileno(), None)
                if spot is None:
                    return super().close()
                # Garbage may be collected on any thread.
                return watcher.do(Kind.CLOSE, spot, super().close, waits=find() is watcher)

        FileIO.__module__, FileIO.__qualname__ = python.__module__, python.__qualname__
        return FileIO

    def file(self, original: Function, raw_file: Any) -> Function:
        """Return `open`."""
        find = self._find

        @functools.wraps(original)
        def watched(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: Any = None,
            errors: Any = None,
            newline: Any = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            watcher = find()
            if watcher is not None and (opener is not None or watcher.spot(file) is not None):
                raw = functools.partial(raw_file, file, closefd=closefd, opener=opener)
                made = assemble(raw, mode, buffering, encoding, errors, newline)
                if made is not None:
                    return made
            return original(file, mode, buffering, encoding, errors, newline, closefd, opener)

        return watched

    def running(self, original: Function, at: int | None) -> Function:
        """Return what starts a program, whose arguments are at a place, or all in one text."""
        find = self._find

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            watcher = find()
            if watcher is None:
                return original(*args, **kwargs)
            given = ("sh", "-c", args[0]) if at is None else args[at]
            arguments = tuple(os.fsdecode(each) for each in given)
            return watcher.do(Kind.RUN, _NOWHERE, original, *args, arguments=arguments, **kwargs)

        return watched

    def connecting(self, original: Function) -> Function:
        """Return `sqlite3.connect`."""
        find = self._find

        @functools.wraps(original)
        def watched(database: Any, *args: Any, **kwargs: Any) -> Any:
            watcher = find()
            spot = None
            kind = Kind.WRITE
            if watcher is not None:
                path = database
                is_uri = kwargs.get("uri", len(args) > 6 and args[6])
                if is_uri and isinstance(database, str) and database.startswith("file:"):
                    path, _, query = database.removeprefix("file:").partition("?")
                    path = path[path.find("/", 2) :] if path.startswith("//") else path
                    kind = Kind.READ if "mode=ro" in query else Kind.WRITE
                if path not in ("", b"", ":memory:", b":memory:"):
                    spot = watcher.spot(path)
            if watcher is None or spot is None:
                return original(database, *args, **kwargs)
            connect = functools.partial(original, database)
            keeps = KEEPING if kind is Kind.WRITE else ()
            return watcher.do(kind, spot, connect, *args, arguments=keeps, **kwargs)

        return watched


def _open_for_all(path: Any, flags: int) -> int:
    """Open as `open` does by itself; by now `os.open` is watched."""
    return os.open(path, flags, 0o666)

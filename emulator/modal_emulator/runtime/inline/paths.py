"""
How the code of one container of threads names files: its shadow and its working directory.

A process has one working directory, and many containers; so each has its own here, as a path,
and relative paths are made absolute with it. `..` is followed as the kernel does it, for a way
may lead out of the shadow. It knows no container and nothing of redirection: everything that it
asks the file system, it asks about the real files.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any, TypeVar

from modal_emulator.runtime.holders import PROC
from modal_emulator.runtime.mountinfo import is_in
from modal_emulator.runtime.shadow import Shadow, is_below

__all__ = ["Paths", "really"]

Answer = TypeVar("Answer")


def really(call: Callable[..., Answer], *arguments: Any) -> Answer:
    """Call what deals with files as the code of no container: paths are what they are."""
    return Context().run(call, *arguments)


class Paths:
    """Maps paths for one container, as `portable.Names` says."""

    def __init__(self, shadow: Shadow, proc: Path = PROC) -> None:
        """`proc` says what open files are; without it, the opened ones are remembered here."""
        self._shadow, self._proc = shadow, proc
        self.directory = posixpath.sep
        """The working directory, without links, as user code names it."""
        self._opened: dict[int, tuple[str, int, int]] = {}
        self._remembers = not (proc / "self" / "fd").is_dir()

    @property
    def start(self) -> str:
        """Where programs begin."""
        return self._shadow.inside(self.directory)

    def inside(self, path: str) -> str:
        """Return where the file system really has `path`."""
        if not path:
            return path  # which is nowhere
        if path[0] != "/":
            path = posixpath.join(self.directory, path)
        return self.absolute(path)

    def absolute(self, path: str) -> str:
        """Return the same of an absolute path, and anything else as it is."""
        if path.startswith("/") and "/.." in path:
            path = self._climb(path)
        return self._shadow.inside(path)

    def outside(self, path: str) -> str:
        """Return how user code names what the file system has at `path`."""
        return self._shadow.outside(path)

    def real(self, path: str) -> str:
        """Return `path` absolute and without links, as user code names it."""
        return self.outside(really(os.path.realpath, self.inside(path)))

    def forbids(self, path: str, directory: int | None = None) -> bool:
        """Tell whether nothing may be written at `path`."""
        return self._is_in(self._shadow.read_only, path, directory)

    def forbids_link(self, path: str) -> bool:
        """Tell whether no hard link may be made at `path`."""
        return self._is_in(self._shadow.unlinked, path, None)

    def opened(self, file: int, path: str) -> None:
        """Remember an opened file, where the system cannot be asked for them."""
        if self._remembers:
            found = os.fstat(file)
            self._opened[file] = (self.real(path), found.st_dev, found.st_ino)

    def holds(self, top: str) -> bool:
        """Tell whether the working directory or a remembered file is in the directory `top`."""
        held = [self._name(file) for file in tuple(self._opened)]
        return any(name is not None and is_in(name, top) for name in (self.directory, *held))

    def enter(self, path: str | int) -> None:
        """
        Change the working directory.

        Raises:
            OSError: as of `os.chdir`, or it cannot be told what the open directory is.
        """
        name = self._name(path) if isinstance(path, int) else path
        if name is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), path)
        place = self.inside(name)
        try:
            is_directory = stat.S_ISDIR(really(os.stat, place).st_mode)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        number = 0 if is_directory else errno.ENOTDIR
        if is_directory and not really(os.access, place, os.X_OK):
            number = errno.EACCES
        if number:
            raise OSError(number, os.strerror(number), path)
        self.directory = self.real(name)

    def _is_in(self, tops: tuple[str, ...], path: str, directory: int | None) -> bool:
        if not tops:
            return False
        if directory is not None:
            path = posixpath.join(self._name(directory) or self.directory, path)
        head, name = posixpath.split(path.rstrip("/"))
        if name in ("", ".", ".."):
            return is_below(self.real(path), tops)
        return is_below(posixpath.join(self.real(head or "."), name), tops)

    def _name(self, file: int) -> str | None:
        """Return what an open file is called, or None where nobody knows."""
        if not self._remembers:
            try:
                return self.outside(really(os.readlink, self._proc / "self" / "fd" / str(file)))
            except OSError:
                return None
        name, *identity = self._opened.get(file, ("", 0, 0))
        try:
            found = os.fstat(file)
        except OSError:
            found = None
        if found is None or [found.st_dev, found.st_ino] != identity:
            self._opened.pop(file, None)  # closed since
            return None
        return name

    def _climb(self, path: str) -> str:
        """Follow the `..` of an absolute path, each from where links on the way lead to."""
        found, rest = "", path.split("/")
        while ".." in rest:
            name = rest.pop(0)
            if name != "..":
                found += f"/{name}" if name not in ("", ".") else ""
                continue
            place = self._shadow.inside(found or "/")
            if not really(os.path.isdir, place):
                return "/".join([found, "..", *rest])  # the kernel is to say what is wrong
            real = self.outside(really(os.path.realpath, place))
            found = posixpath.dirname(real).rstrip("/")
        return "/".join([found, *rest]) or "/"

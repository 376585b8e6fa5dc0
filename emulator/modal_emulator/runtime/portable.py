"""
Python's own file functions, redirected.

For containers that can mount nothing: user code says `/data/x` and gets the file in the
container's shadow directory, and every path that comes back is named as user code names it.
One table says which functions take paths. C libraries that open files by themselves are not
reached; `notice` of the backend says so.
"""

import contextlib
import errno
import functools
import importlib
import io
import os
import posix
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from modal_emulator.runtime.replacing import Places
from modal_emulator.runtime.shadow import Shadow

__all__ = ["install"]

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Takes:
    """How a function deals with paths."""

    paths: tuple[str, ...] = ()
    """Its leading parameters, by name; all of them are paths."""
    writes: tuple[str, ...] = ()
    """Those below which something is changed."""
    returns: bool = False
    """Whether the result is a path."""


_READ, _WRITE = Takes(("path",)), Takes(("path",), ("path",))
_MOVE = Takes(("src", "dst"), ("src", "dst"))

_READING = (
    "chdir chroot execv execve getxattr listdir listxattr lstat pathconf posix_spawn "
    "posix_spawnp stat statvfs"
)
_CHANGING = (
    "chflags chmod chown lchflags lchmod lchown mkdir mkfifo mknod remove removexattr rmdir "
    "setxattr truncate unlink utime"
)
# Every function of the `posix` module (and so of `os`) with a path among its parameters or as its
# result, in Python 3.10 to 3.13; `scandir` and `access` have more to them and follow below.
TABLE: dict[str, Takes] = {
    **dict.fromkeys(_READING.split(), _READ),
    **dict.fromkeys(_CHANGING.split(), _WRITE),
    "getcwd": Takes(returns=True),
    "getcwdb": Takes(returns=True),
    "link": Takes(("src", "dst"), ("dst",)),
    "readlink": Takes(("path",), returns=True),
    "rename": _MOVE,
    "replace": _MOVE,
    "symlink": Takes(("src", "dst"), ("dst",)),
}
# C functions elsewhere that open what a path names.
OTHERS: dict[tuple[str, str], Takes] = {
    ("_ctypes", "dlopen"): Takes(("name",)),
    ("_dbm", "open"): Takes(("filename",)),
    ("_gdbm", "open"): Takes(("filename",)),
    ("_io", "open_code"): _READ,
    ("_sqlite3", "connect"): Takes(("database",)),
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def install(shadow: Shadow, places: Places) -> None:
    """Redirect the file functions of this process for good."""
    redirect = _Redirect(shadow)
    files, programs = (importlib.import_module(name) for name in ("_io", "_posixsubprocess"))
    new: dict[tuple[types.ModuleType, str], Any] = {
        (posix, "open"): redirect.opening(posix.open),
        (posix, "access"): redirect.access(posix.access),
        (posix, "scandir"): redirect.scandir(posix.scandir),
        (files, "open"): redirect.file(io.open),
        (files, "FileIO"): redirect.raw_file(io.FileIO),
        (programs, "fork_exec"): redirect.fork_exec(programs.fork_exec),
    }
    for name, takes in TABLE.items():
        if hasattr(posix, name):
            new[posix, name] = redirect.function(getattr(posix, name), takes)
    new[posix, "link"] = redirect.linking(new[posix, "link"])
    for (module, name), takes in OTHERS.items():
        with contextlib.suppress(ImportError, AttributeError):
            home = importlib.import_module(module)
            new[home, name] = redirect.function(getattr(home, name), takes)
    places.replace(new)


class _Redirect:
    """Makes the functions that stand for the original ones."""

    def __init__(self, shadow: Shadow) -> None:
        self._shadow = shadow

    def function(self, original: Function, takes: Takes) -> Function:
        """Return `original` with its paths looked up in the shadow."""

        @functools.wraps(original)
        def redirected(*args: Any, **kwargs: Any) -> Any:
            values = list(args)
            for position, name in enumerate(takes.paths):
                given: Any = values if position < len(values) else kwargs
                key: Any = position if position < len(values) else name
                if given is kwargs and name not in kwargs:
                    continue
                if name in takes.writes:
                    self._check_writable(given[key])
                given[key] = self._inside(given[key])
            with self._named_as_outside():
                result = original(*values, **kwargs)
            return self._outside(result) if takes.returns else result

        return redirected

    def opening(self, original: Function) -> Function:
        """Return `os.open`, which writes or not as its flags say."""
        read, write = self.function(original, _READ), self.function(original, _WRITE)

        @functools.wraps(original)
        def redirected(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
            return (write if flags & _WRITING else read)(path, flags, *args, **kwargs)

        return redirected

    def access(self, original: Function) -> Function:
        """Return `os.access`, which knows what is read-only."""
        read = self.function(original, _READ)

        @functools.wraps(original)
        def redirected(path: Any, mode: int, **kwargs: Any) -> Any:
            if mode & os.W_OK and _is_path(path) and self._shadow.forbids(os.fsdecode(path)):
                return False
            return read(path, mode, **kwargs)

        return redirected

    def linking(self, redirected: Function) -> Function:
        """Return `os.link`, which volumes of version 1 refuse where nothing else is wrong."""

        @functools.wraps(redirected)
        def refusing(src: Any, dst: Any, **options: Any) -> None:
            if _is_path(dst) and self._shadow.forbids_link(os.fsdecode(dst)):
                os.lstat(src, dir_fd=options.get("src_dir_fd"))
                if not os.path.lexists(dst):
                    # modal-semantics 1.6 [observed]
                    raise OSError(errno.EPERM, os.strerror(errno.EPERM), src, None, dst)
            redirected(src, dst, **options)

        return refusing

    def scandir(self, original: Function) -> Function:
        """Return `os.scandir`, whose entries are named as user code names the directory."""
        read = self.function(original, _READ)

        @functools.wraps(original)
        def redirected(path: Any = None) -> Any:
            entries = read(path)
            if not _is_path(path) or self._inside(path) == os.fspath(path):
                return entries
            return _Entries(entries, os.fspath(path))

        return redirected

    def file(self, original: Function) -> Function:
        """Return `open`: the file keeps the user's name, `os.open` finds it."""

        @functools.wraps(original)
        def redirected(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: Any = None,
            errors: Any = None,
            newline: Any = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            if opener is None and _is_path(file):
                opener = _open_for_all
            return original(file, mode, buffering, encoding, errors, newline, closefd, opener)

        return redirected

    def raw_file(self, original: type[io.FileIO]) -> type[io.FileIO]:
        """Return `io.FileIO`, which `open` makes by itself and others call."""

        class Kind(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, original)

        class FileIO(original, metaclass=Kind):  # type: ignore[misc, valid-type]
            def __init__(
                self, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None
            ) -> None:
                if opener is None and _is_path(file):
                    opener = _open_for_all
                super().__init__(file, mode, closefd, opener)

        return FileIO

    def fork_exec(self, original: Function) -> Function:
        """Return what `subprocess` starts programs with: their arguments may be paths."""

        @functools.wraps(original)
        def redirected(arguments: Any, executables: Any, *rest: Any) -> Any:
            values = list(rest)
            values[2] = self._inside(values[2])  # the working directory
            found = tuple(map(self._inside, executables))
            return original([self._inside(each) for each in arguments], found, *values)

        return redirected

    def _inside(self, path: Any) -> Any:
        if not _is_path(path):
            return path
        name = os.fspath(path)
        mapped = self._shadow.inside(os.fsdecode(name))
        return mapped if isinstance(name, str) else os.fsencode(mapped)

    def _outside(self, name: Any) -> Any:
        if isinstance(name, bytes):
            return os.fsencode(self._shadow.outside(os.fsdecode(name)))
        return self._shadow.outside(name) if isinstance(name, str) else name

    def _check_writable(self, path: Any) -> None:
        if _is_path(path) and self._shadow.forbids(os.fsdecode(path)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))

    @contextlib.contextmanager
    def _named_as_outside(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.filename is not None:
                error.filename = self._outside(error.filename)
            if error.filename2 is not None:
                error.filename2 = self._outside(error.filename2)
            raise


class _Entries:
    """What `os.scandir` returns, for a redirected directory."""

    def __init__(self, entries: Any, directory: Any) -> None:
        self._entries = entries
        self._directory = directory

    def __iter__(self) -> "_Entries":
        return self

    def __next__(self) -> "_Entry":
        return _Entry(next(self._entries), self._directory)

    def __enter__(self) -> "_Entries":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries.close()


class _Entry:
    """An `os.DirEntry` with another path."""

    def __init__(self, entry: Any, directory: Any) -> None:
        self._entry = entry
        self.name = entry.name
        self.path = os.path.join(directory, entry.name)  # noqa: PTH118  (str or bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


def _is_path(value: object) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


def _open_for_all(path: Any, flags: int) -> int:
    """Open as `open` does by itself; by now `os.open` is redirected."""
    return os.open(path, flags, 0o666)

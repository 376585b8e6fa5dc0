"""
Python's own file functions, redirected.

For containers that can mount nothing: user code says `/data/x` and gets the file in the
container's shadow directory, and every path that comes back is named as user code names it.
One table says which functions take paths. C libraries that open files by themselves are not
reached; `notice` of the backend says so. Whose names hold is asked at each call, so that one
process can have many containers, and code of its own that sees the files as they are.
"""

import errno
import functools
import importlib
import inspect
import io
import os
import posix
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote

from modal_emulator.runtime.entries import Entries

__all__ = ["OTHERS", "TABLE", "Find", "Names", "Redirections", "redirections"]

Function = Callable[..., Any]
Redirections = Mapping[tuple[types.ModuleType, str], Any]


class Names(Protocol):
    """How the code of one container names files."""

    @property
    def start(self) -> str | None:
        """Where the file system has its working directory; None where that is the process's."""
        ...

    def inside(self, path: str) -> str:
        """Return where the file system really has `path`."""
        ...

    def absolute(self, path: str) -> str:
        """Return the same of an absolute path, and anything else as it is."""
        ...

    def outside(self, path: str) -> str:
        """Return how user code names what the file system has at `path`."""
        ...

    def forbids(self, path: str, directory: int | None = None) -> bool:
        """Tell whether nothing may be written at `path`, seen from an open directory if given."""
        ...

    def forbids_link(self, path: str) -> bool:
        """Tell whether no hard link may be made at `path`."""
        ...

    def opened(self, file: int, path: str) -> None:
        """Hear of a file that was opened."""
        ...


Find = Callable[[], Names | None]
"""Returns the names that hold for the caller; None: nothing is redirected."""


@dataclass(frozen=True, slots=True)
class Takes:
    """How a function deals with paths."""

    paths: tuple[str, ...] = ()
    """Its leading parameters, by name; all of them are paths."""
    writes: tuple[str, ...] = ()
    """Those below which something is changed."""
    texts: tuple[str, ...] = ()
    """Those of which a relative one is not looked up from the working directory."""
    returns: bool = False
    """Whether the result is a path."""
    is_here: bool = False
    """Whether no path means the working directory."""


_READ, _WRITE = Takes(("path",)), Takes(("path",), ("path",))
_LIST = Takes(("path",), is_here=True)
_MOVE = Takes(("src", "dst"), ("src", "dst"))

_READING = "chdir chroot execv execve getxattr lstat pathconf posix_spawn stat statvfs"
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
    "listdir": _LIST,
    "listxattr": _LIST,
    "link": Takes(("src", "dst"), ("dst",)),
    "posix_spawnp": Takes(("path",), texts=("path",)),
    "readlink": Takes(("path",), returns=True),
    "rename": _MOVE,
    "replace": _MOVE,
    "symlink": Takes(("src", "dst"), ("dst",), texts=("src",)),
}
# C functions elsewhere that open what a path names.
OTHERS: dict[tuple[str, str], Takes] = {
    ("_ctypes", "dlopen"): Takes(("name",), texts=("name",)),
    ("_dbm", "open"): Takes(("filename",)),
    ("_gdbm", "open"): Takes(("filename",)),
    ("_io", "open_code"): _READ,
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# By which arguments a function says where a relative path begins.
_BEGINNINGS = {"path": ("dir_fd",), "src": ("src_dir_fd",), "dst": ("dst_dir_fd", "dir_fd")}


def redirections(find: Find) -> dict[tuple[types.ModuleType, str], Any]:
    """Return what is to stand for Python's file functions."""
    redirect = _Redirect(find)
    files, programs, databases = (
        importlib.import_module(name) for name in ("_io", "_posixsubprocess", "_sqlite3")
    )
    new: dict[tuple[types.ModuleType, str], Any] = {
        (posix, "open"): redirect.opening(posix.open),
        (posix, "access"): redirect.access(posix.access),
        (posix, "scandir"): redirect.scandir(posix.scandir),
        (files, "open"): redirect.file(io.open),
        (files, "FileIO"): redirect.raw_file(io.FileIO),
        (programs, "fork_exec"): redirect.fork_exec(inspect.unwrap(programs.fork_exec)),
        (databases, "connect"): redirect.connect(databases.connect),
    }
    for name, takes in TABLE.items():
        if hasattr(posix, name):
            new[posix, name] = redirect.function(getattr(posix, name), takes)
    new[posix, "link"] = redirect.linking(new[posix, "link"])
    for (module, name), takes in OTHERS.items():
        with suppress(ImportError, AttributeError):
            home = importlib.import_module(module)
            new[home, name] = redirect.function(getattr(home, name), takes)
    return new


class _Redirect:
    """Makes the functions that stand for the original ones."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def function(self, original: Function, takes: Takes) -> Function:
        """Return `original` with its paths looked up in the shadow."""
        find = self._find

        @functools.wraps(original)
        def redirected(*args: Any, **kwargs: Any) -> Any:
            names = find()
            if names is None:
                return original(*args, **kwargs)
            values, given = _map(names, takes, args, kwargs)
            try:
                result = original(*values, **kwargs)
            except OSError as error:
                _rename(error, given, names)
                raise
            return _at(names.outside, result) if takes.returns else result

        return redirected

    def opening(self, original: Function) -> Function:
        """Return `os.open`, which writes or not as its flags say."""
        find = self._find
        read, write = self.function(original, _READ), self.function(original, _WRITE)

        @functools.wraps(original)
        def redirected(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
            names = find()
            if names is None:
                return original(path, flags, *args, **kwargs)
            file = (write if flags & _WRITING else read)(path, flags, *args, **kwargs)
            if _is_path(path):
                names.opened(file, os.fsdecode(path))
            return file

        return redirected

    def access(self, original: Function) -> Function:
        """Return `os.access`, which knows what is read-only."""
        find, read = self._find, self.function(original, _READ)

        @functools.wraps(original)
        def redirected(path: Any, mode: int, **kwargs: Any) -> Any:
            names = find()
            if names is None:
                return original(path, mode, **kwargs)
            if mode & os.W_OK and _is_path(path):
                is_forbidden = names.forbids(os.fsdecode(path), kwargs.get("dir_fd"))
                return not is_forbidden and read(path, mode, **kwargs)
            return read(path, mode, **kwargs)

        return redirected

    def linking(self, redirected: Function) -> Function:
        """Return `os.link`, which volumes of version 1 refuse where nothing else is wrong."""
        find = self._find

        @functools.wraps(redirected)
        def refusing(src: Any, dst: Any, **options: Any) -> None:
            names = find()
            if names is not None and _is_path(dst) and names.forbids_link(os.fsdecode(dst)):
                os.lstat(src, dir_fd=options.get("src_dir_fd"))
                if not os.path.lexists(dst):
                    # modal-semantics 1.6 [observed]
                    raise OSError(errno.EPERM, os.strerror(errno.EPERM), src, None, dst)
            redirected(src, dst, **options)

        return refusing

    def scandir(self, original: Function) -> Function:
        """Return `os.scandir`, whose entries are named as user code names the directory."""
        find, read = self._find, self.function(original, _READ)

        @functools.wraps(original)
        def redirected(path: Any = None) -> Any:
            names = find()
            if names is None:
                return original(path)
            if path is None:
                path = os.curdir
            entries = read(path)
            if not _is_path(path) or _at(names.inside, path) == os.fspath(path):
                return entries
            return Entries(entries, os.fspath(path))

        return redirected

    def file(self, original: Function) -> Function:
        """Return `open`: the file keeps the user's name, `os.open` finds it."""
        find = self._find

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
            if opener is None and find() is not None and _is_path(file):
                opener = _open_for_all
            return original(file, mode, buffering, encoding, errors, newline, closefd, opener)

        return redirected

    def raw_file(self, original: type[io.FileIO]) -> type[io.FileIO]:
        """Return `io.FileIO`, which `open` makes by itself and others call."""
        find = self._find

        class Kind(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, original)

            def __subclasscheck__(cls, other: type) -> bool:
                return issubclass(other, original)

        class FileIO(original, metaclass=Kind):  # type: ignore[misc, valid-type]
            def __init__(
                self, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None
            ) -> None:
                if opener is None and find() is not None and _is_path(file):
                    opener = _open_for_all
                super().__init__(file, mode, closefd, opener)

        return FileIO

    def fork_exec(self, original: Function) -> Function:
        """Return what `subprocess` starts programs with: their arguments may be paths."""
        find = self._find

        @functools.wraps(original)
        def redirected(arguments: Any, executables: Any, *rest: Any) -> Any:
            names = find()
            if names is None:
                return original(arguments, executables, *rest)
            values = list(rest)
            directory = values[2]
            values[2] = names.start if directory is None else _at(names.inside, directory)
            found = tuple(_at(names.absolute, each) for each in executables)
            return original([_at(names.absolute, each) for each in arguments], found, *values)

        return redirected

    def connect(self, original: Function) -> Function:
        """Return `sqlite3.connect`, whose databases may be named by a URI or be nowhere."""
        find, read = self._find, self.function(original, Takes(("database",)))

        @functools.wraps(original)
        def redirected(database: Any, *args: Any, **kwargs: Any) -> Any:
            names = find()
            if names is None or database in ("", b"", ":memory:", b":memory:"):
                return original(database, *args, **kwargs)
            is_uri = kwargs.get("uri", len(args) > 6 and args[6])
            if is_uri and isinstance(database, str) and database.startswith("file:"):
                return original(_uri_inside(names, database), *args, **kwargs)
            return read(database, *args, **kwargs)

        return redirected


def _is_path(value: object) -> bool:
    return isinstance(value, (str, bytes, os.PathLike))


def _at(where: Callable[[str], str], path: Any) -> Any:
    """Return a path mapped, text or bytes as it was; what is none, as it is."""
    if not _is_path(path):
        return path
    name = os.fspath(path)
    mapped = where(os.fsdecode(name))
    return mapped if isinstance(name, str) else os.fsencode(mapped)


def _map(
    names: Names, takes: Takes, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Any], dict[Any, Any]]:
    """Return the arguments with paths mapped, `kwargs` in place; and what was given for each."""
    if takes.is_here and (args[0] if args else kwargs.get("path")) is None:
        args, kwargs["path"] = (), os.curdir
    values, given = list(args), {}
    for position, parameter in enumerate(takes.paths):
        at: Any = position if position < len(values) else parameter
        holder: Any = values if position < len(values) else kwargs
        if (holder is kwargs and parameter not in kwargs) or not _is_path(holder[at]):
            continue
        path, directory = os.fspath(holder[at]), _directory(parameter, kwargs)
        if parameter in takes.writes and names.forbids(os.fsdecode(path), directory):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        is_whole = directory is not None or parameter in takes.texts
        holder[at] = _at(names.absolute if is_whole else names.inside, path)
        given[holder[at]] = path
    return values, given


def _directory(parameter: str, arguments: Mapping[str, Any]) -> int | None:
    """Return the open directory that a relative path begins at, if one is given."""
    for name in _BEGINNINGS.get(parameter, ()):
        if arguments.get(name) is not None:
            return int(arguments[name])
    return None


def _rename(error: OSError, given: Mapping[Any, Any], names: Names) -> None:
    """Have an error name files as they were given."""
    for attribute in ("filename", "filename2"):
        name = getattr(error, attribute)
        if name is not None:
            setattr(error, attribute, given[name] if name in given else _at(names.outside, name))


def _uri_inside(names: Names, uri: str) -> str:
    name, mark, query = uri.removeprefix("file:").partition("?")
    path = unquote(name[name.find("/", 2) :] if name.startswith("//") else name)
    if path in ("", ":memory:") or "mode=memory" in query:
        return uri
    return f"file:{quote(names.inside(path))}{mark}{query}"


def _open_for_all(path: Any, flags: int) -> int:
    """Open as `open` does by itself; by now `os.open` is redirected."""
    return os.open(path, flags, 0o666)

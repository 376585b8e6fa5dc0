"""
A working directory for each container of threads.

`os.chdir` is for a whole process; here are the functions that set the working directory, tell it
or pass it on to programs, as they are for the code of a container (`os.system` is made of
`subprocess` by `offspring`). What they stand for is called by all other code, and by them.
`os.posix_spawn` called directly begins where the process is.
"""

import errno
import functools
import os
import posix
from collections.abc import Callable
from typing import Any

from modal_emulator.runtime.inline.paths import Paths, really
from modal_emulator.runtime.portable import Redirections

__all__ = ["whereabouts"]

Function = Callable[..., Any]
Find = Callable[[], Paths | None]


def whereabouts(find: Find, others: Redirections) -> Redirections:
    """
    Return what is to stand for these functions.

    `others` are redirected already, for paths alone; some of these rest on them.
    """
    return {
        (posix, "chdir"): _changing(find, posix.chdir),
        (posix, "fchdir"): _changing(find, posix.fchdir),
        (posix, "chroot"): _refusing(find, posix.chroot),
        (posix, "getcwd"): _telling(find, posix.getcwd, lambda name: name),
        (posix, "getcwdb"): _telling(find, posix.getcwdb, os.fsencode),
        (posix, "readlink"): _reading(find, others[posix, "readlink"]),
        (posix, "execv"): _going(find, posix.chdir, posix.getcwd, others[posix, "execv"]),
        (posix, "execve"): _going(find, posix.chdir, posix.getcwd, others[posix, "execve"]),
    }


def _changing(find: Find, original: Function) -> Function:
    @functools.wraps(original)
    def redirected(path: Any) -> None:
        paths = find()
        if paths is None:
            original(path)
        elif isinstance(path, int) or hasattr(path, "fileno"):
            paths.enter(path if isinstance(path, int) else path.fileno())
        else:
            paths.enter(os.fsdecode(path))

    return redirected


def _refusing(find: Find, original: Function) -> Function:
    @functools.wraps(original)
    def redirected(path: Any) -> None:
        if find() is not None:
            # It would be for the test's own code, too.
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), path)
        original(path)

    return redirected


def _telling(find: Find, original: Function, give: Callable[[str], Any]) -> Function:
    @functools.wraps(original)
    def redirected() -> Any:
        paths = find()
        if paths is None:
            return original()
        if not really(os.path.isdir, paths.start):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))  # removed
        return give(paths.directory)

    return redirected


def _reading(find: Find, read: Function) -> Function:
    """Return `os.readlink`: the SDK looks there for what hinders a reload."""

    @functools.wraps(read)
    def redirected(path: Any, *args: Any, **kwargs: Any) -> Any:
        paths = find()
        own = ("/proc/self/cwd", f"/proc/{os.getpid()}/cwd")
        if paths is not None and not isinstance(path, int) and os.fsdecode(path) in own:
            return paths.directory if isinstance(path, str) else os.fsencode(paths.directory)
        return read(path, *args, **kwargs)

    return redirected


def _going(find: Find, chdir: Function, getcwd: Function, execute: Function) -> Function:
    """Return what puts another program in the place of this process, mostly a forked child."""

    @functools.wraps(execute)
    def redirected(path: Any, *args: Any) -> None:
        paths = find()
        if paths is None:
            execute(path, *args)
            return
        before = getcwd()
        chdir(paths.start)
        try:
            execute(path, *args)
        finally:
            chdir(before)

    return redirected

"""
Renaming directories of a volume where the kernel does not.

An ordinary user's overlay answers EXDEV for a directory that an earlier version of the volume
has; Modal renames it, and so does an overlay of root. Here it is copied beside its new name,
put there in one step, and removed at its old one. `mv` and shutil.move do that by themselves.
"""

import errno
import functools
import os
import posix
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from modal_emulator.runtime.portable import Redirections

__all__ = ["completed"]


def completed(is_due: Callable[[], bool]) -> Redirections:
    """Return `os.rename` and `os.replace` with the missing case, for where it is due."""
    names = ("rename", "replace")
    return {(posix, name): _complete(getattr(posix, name), is_due) for name in names}


def _complete(original: Callable[..., None], is_due: Callable[[], bool]) -> Callable[..., None]:
    @functools.wraps(original)
    def rename(src: Any, dst: Any, **options: Any) -> None:
        try:
            original(src, dst, **options)
        except OSError as error:
            if error.errno != errno.EXDEV or options or not is_due():
                raise
            if not _is_one_directory(src, dst):
                raise
            _copy(original, os.fsdecode(src), os.fsdecode(dst))

    return rename


def _is_one_directory(src: Any, dst: Any) -> bool:
    """Tell whether a directory is to be renamed within one file system."""
    try:
        parent = os.path.dirname(os.path.abspath(os.fsdecode(dst)))  # noqa: PTH100, PTH120
        return os.path.isdir(src) and os.lstat(src).st_dev == os.stat(parent).st_dev  # noqa: PTH112, PTH116
    except OSError:
        return False


def _copy(rename: Callable[..., None], src: str, dst: str) -> None:
    if os.path.lexists(dst) and os.listdir(dst):  # noqa: PTH208  (NotADirectoryError as well)
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), src, None, dst)
    parent, name = os.path.split(os.path.abspath(dst))  # noqa: PTH100
    place = tempfile.mkdtemp(prefix=f".{name}.", dir=parent)
    try:
        fresh = os.path.join(place, name)  # noqa: PTH118
        shutil.copytree(src, fresh, symlinks=True)
        rename(fresh, dst)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(src)

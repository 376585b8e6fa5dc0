"""
Deleting what others wrote, whatever its shape: closed modes, many names, any depth.

User code can nest directories deeper than Python can call functions and than a path is long, so
what lies deep is moved up before it is deleted. It knows files, and not what they are for.
"""

import itertools
import math
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["dispose", "remove_tree"]


def remove_tree(path: Path) -> None:
    """Delete a directory with all it holds; what cannot go stays."""
    try:
        shutil.rmtree(path, ignore_errors=True)
    # Until Python 3.13 it calls itself once for each level. Since then it knows functions of `os`
    # by identity, and fails when they are replaced meanwhile, as they are for copied volumes.
    except (RecursionError, AssertionError):
        with suppress(OSError):
            dispose(path)


def dispose(path: Path, most: float = math.inf) -> int:
    """
    Delete a file or a directory with all it holds, whatever modes user code gave to it.

    Stops after about `most` names; returns how many it deleted. It is gone if that is fewer.
    """
    if not stat.S_ISDIR(path.lstat().st_mode):
        path.unlink()
        return 1
    top, count = str(path), 0
    taken = set(os.listdir(_opened(top)))  # noqa: PTH208
    numbers = (str(number) for number in itertools.count() if str(number) not in taken)
    pending = [top]  # this directory, then directories that are in it
    while pending:
        directory = pending.pop()
        with os.scandir(_opened(directory)) as listing:
            entries = list(listing)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108 - many, and a Path for each is slow
                count += 1
            elif directory == top:
                pending.append(entry.path)
            else:
                pending.append(f"{top}/{next(numbers)}")
                os.rename(_opened(entry.path), pending[-1])  # noqa: PTH104
            if count >= most:
                return count
        if directory != top:
            os.rmdir(directory)  # noqa: PTH106
            count += 1
            if count >= most:
                return count
    path.rmdir()
    return count + 1


def _opened(directory: str) -> str:
    os.chmod(directory, stat.S_IRWXU)  # noqa: PTH101
    return directory

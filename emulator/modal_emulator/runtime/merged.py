"""
Reading stacked directories without the kernel.

The rules are overlayfs's: the first directory that has a name decides, a character device 0:0
removes it, directories of the same name are merged down to the first that is no directory or
is marked opaque.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["Found", "descend", "is_removal", "make_removal", "walk"]

_OPAQUE = ("user.overlay.opaque", "trusted.overlay.opaque")


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of the stack: its path inside and the file or directory that it is."""

    path: str
    source: Path
    mode: int


def walk(layers: Sequence[Path], path: str = "") -> Iterator[Found]:
    """Yield all that is seen in `layers` (newest first), each directory before its content."""
    names: dict[str, None] = {}
    for layer in layers:
        if layer.is_dir():
            names.update(dict.fromkeys(sorted(os.listdir(layer))))  # noqa: PTH208
    for name in names:
        seen = _look(layers, name)
        if seen:
            inner = f"{path}/{name}" if path else name
            mode = seen[0].lstat().st_mode
            yield Found(inner, seen[0], mode)
            if stat.S_ISDIR(mode):
                yield from walk(seen, inner)


def descend(layers: Sequence[Path], sub_path: str) -> Sequence[Path]:
    """
    Return the stack that is seen of one directory of the stack, which may not be there yet.

    Raises:
        NotADirectoryError: the path leads over a file, or a link, which could lead anywhere.
    """
    for name in PurePosixPath(sub_path).parts:
        seen = _look(layers, name)
        if seen and not stat.S_ISDIR(seen[0].lstat().st_mode):
            why = "Not a directory on the way of the sub_path"
            raise NotADirectoryError(errno.ENOTDIR, why, sub_path)
        layers = seen
    return layers


def is_removal(found: os.stat_result) -> bool:
    """Tell whether an entry says that there is nothing of its name below."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def make_removal(path: Path) -> None:
    """Write such an entry; ordinary users may since Linux 5.8."""
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(0, 0))


def _look(layers: Sequence[Path], name: str) -> list[Path]:
    """Return the entry of that name, or the directories to merge, or nothing."""
    seen: list[Path] = []
    for layer in layers:
        path = layer / name
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if is_removal(found):
            break
        if not stat.S_ISDIR(found.st_mode):
            return seen or [path]
        seen.append(path)
        if _is_opaque(path):
            break
    return seen


def _is_opaque(directory: Path) -> bool:
    if not hasattr(os, "getxattr"):
        return False
    for name in _OPAQUE:
        try:
            if os.getxattr(directory, name) == b"y":
                return True
        except OSError:
            continue
    return False

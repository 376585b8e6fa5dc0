"""
What one commit changed: as values, and as a directory that the kernel can mount.

On disk a layer is in the format of overlayfs: files are themselves, and a character device 0:0
stands for a removal (Linux lets anyone make that one device since 5.8). A stored layer needs
nothing else: no opaque marks, no redirects, and a removal only where something lies below it. A
stack of layers, the newest first, is read here the way the kernel reads it.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modal_emulator.store.paths import Parts, show
from modal_emulator.store.tree import Entry, Kind, Tree

__all__ = [
    "Change",
    "Layer",
    "LayerId",
    "apply",
    "describe",
    "find",
    "is_removal",
    "make_removal",
    "named",
    "names_below",
    "read_stack",
    "telling",
]

LayerId = str

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}
_REMOVAL_DEVICE = os.makedev(0, 0)


@dataclass(frozen=True, slots=True)
class Change:
    """A path and what it became; None when it was removed with all that was below it."""

    parts: Parts
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Layer:
    """The changes of one commit, in the order of their paths, and where their bytes are."""

    layer_id: LayerId
    changes: tuple[Change, ...]


def apply(tree: Tree, changes: Iterable[Change]) -> Tree:
    """Return the tree that these changes make of another, as stacking a layer over it does."""
    return tree.change((change.parts, change.entry) for change in changes)


def telling(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Leave out the directories that changed, or came, with something in them that is told too."""
    rooms = {change.parts[:-1] for change in changes if change.parts}
    return tuple(
        change
        for change in changes
        if change.entry is None or not change.entry.is_directory or change.parts not in rooms
    )


def named(changes: Sequence[Change], before: Tree, most: int = 500) -> tuple[str, str, str]:
    """
    Return what is there now, what was removed, and what was not there before, for a journal.

    Each is a list of at most so many paths; between two stands what no path holds, a zero.
    """
    told = telling(changes)
    there = [change for change in told if change.entry is not None][:most]
    removed = [change for change in told if change.entry is None][:most]
    added = [c for c in changes[:most] if c.entry is not None and before.get(c.parts) is None]
    lists = ("\0".join(show(c.parts) for c in each) for each in (there, removed, added))
    return next(lists), next(lists), next(lists)


def describe(path: str | Path, status: os.stat_result | None = None) -> Entry | None:
    """Return the entry of a file on disk; None for devices, which no volume keeps."""
    status = status or os.lstat(path)
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return None
    # `Path.readlink` would tidy the target up; it is kept to the letter.
    target = os.readlink(path) if kind is Kind.SYMLINK else ""  # noqa: PTH115
    size = status.st_size if kind in (Kind.FILE, Kind.SYMLINK) else 0
    return Entry(kind, size, status.st_mtime_ns, stat.S_IMODE(status.st_mode), target)


def is_removal(status: os.stat_result) -> bool:
    """Say whether a file with this status stands for a removal."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _REMOVAL_DEVICE


def make_removal(path: Path) -> None:
    """Make the file that stands for a removal."""
    os.mknod(path, stat.S_IFCHR, _REMOVAL_DEVICE)


def find(layers: Sequence[Path], parts: Parts) -> Path | None:
    """Return where the topmost file or directory of this path lies, if the stack shows it."""
    for layer in layers:
        path, ends = _look(layer, parts)
        if path is not None or ends:
            return path
    return None


def names_below(layers: Sequence[Path], parts: Parts) -> set[str]:
    """Return the names that the stack shows in a directory."""
    shown: dict[str, bool] = {}
    for layer in layers:
        path, ends = _look(layer, parts)
        if path is not None and not stat.S_ISDIR(path.lstat().st_mode):
            break
        if path is not None:
            with os.scandir(path) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    shown.setdefault(entry.name, not is_removal(status))
        if ends:
            break
    return {name for name, there in shown.items() if there}


def _look(layer: Path, parts: Parts) -> tuple[Path | None, bool]:
    """
    Return what one layer has at a path, and whether it ends the search in the layers below.

    A removal ends it, and so does a file on the way or at its end.
    """
    path = layer
    for name in parts:
        path = path / name
        try:
            status = path.lstat()
        except FileNotFoundError:
            return None, False
        if is_removal(status):
            return None, True
        if not stat.S_ISDIR(status.st_mode):
            return (
                (path, True) if len(path.parts) - len(layer.parts) == len(parts) else (None, True)
            )
    return path, False


def read_stack(layers: Sequence[Path]) -> Tree:
    """Return the tree that a stack shows, read from disk name by name."""
    tree = Tree()
    pending: list[Parts] = [()]
    while pending:
        parts = pending.pop()
        path = find(layers, parts)
        entry = None if path is None else describe(path)
        if entry is None:
            continue
        tree = tree.put(parts, entry)
        if entry.is_directory:
            pending.extend((*parts, name) for name in names_below(layers, parts))
    return tree

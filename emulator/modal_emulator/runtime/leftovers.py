"""
Removing directories of containers, also those of a server that was killed.

Overlay scratch directories come without any permission, and a directory that something is
mounted in must never be emptied: it may be the user's own files that are seen there.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from modal_emulator.ground import removal
from modal_emulator.runtime.mountinfo import mounts_below

__all__ = ["discard", "remove_tree", "sweep"]


def sweep(directory: Path) -> None:
    """Remove everything in `directory`, which is made when missing."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for entry in directory.iterdir():
        remove_tree(entry)


def remove_tree(path: Path) -> None:
    """
    Remove `path` with all below it, whatever its permissions; what cannot go stays.

    Nothing happens when anything is mounted there in this process's view.
    """
    if not mounts_below(path):
        discard(path)


def discard(path: Path) -> None:
    """Remove `path` with all below it, where nothing can be mounted."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    removal.remove_tree(path)
    if path.exists():
        _allow(path)
        removal.remove_tree(path)


def _allow(directory: Path) -> None:
    with suppress(OSError):
        directory.chmod(stat.S_IRWXU)
    for place, names, _ in os.walk(directory):  # parents come before what is in them
        for name in names:
            with suppress(OSError):
                os.chmod(os.path.join(place, name), stat.S_IRWXU)  # noqa: PTH101, PTH118

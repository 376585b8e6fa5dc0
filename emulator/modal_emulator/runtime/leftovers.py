"""
Removing directories of containers, also those of a server that was killed.

Overlay scratch directories come without any permission, and a directory that something is
mounted in must never be emptied: it may be the user's own files that are seen there.
"""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

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
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=_allow_and_retry)
    else:
        path.unlink(missing_ok=True)


def _allow_and_retry(function: Callable[..., object], path: str, _error: object) -> None:
    # `function` is what failed: listing `path` itself, or removing it from its parent.
    try:
        os.chmod(os.path.dirname(path), stat.S_IRWXU)  # noqa: PTH101, PTH120  (called by shutil)
        if function in (os.unlink, os.rmdir):
            function(path)
        elif not os.path.islink(path):  # noqa: PTH114
            os.chmod(path, stat.S_IRWXU)  # noqa: PTH101
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # e.g. somebody else's file; the next start sweeps again

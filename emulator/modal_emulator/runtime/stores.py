"""
Files that a container may store into through memory.

Such a store leaves no trace: on a tmpfs the kernel stamps nothing, and elsewhere only when a page
is first stored into after it went to disk. So who looks for what changed has to compare these
files. A file counts from when it is mapped for storing until it was asked for while nobody had it
mapped. Files are named by their inode in the directory that takes a view's changes; opening one
to write has put it there.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from modal_emulator.runtime.mounts import Shown

__all__ = ["Stores"]


class Stores:
    """The files of one container's volumes."""

    def __init__(self, processes: str, numbers: Callable[[], Sequence[int]] | None = None) -> None:
        """Look for who maps what below `processes`, a /proc: all, or the `numbers` there."""
        self._processes = processes
        self._numbers = numbers or self._all
        self._files: dict[str, set[int]] = {}

    def note(self, shown: Shown, path: str) -> None:
        """A file, which is in the volume, is being mapped."""
        inode = _inode(shown, path)
        if inode is not None:
            self._files.setdefault(shown.volume_id, set()).add(inode)

    def note_mapped(self, shown: Shown) -> None:
        """Note what is mapped now; only needed where nobody calls `note` at all times."""
        for path in self._mapped(f"{shown.path}/"):
            self.note(shown, path)

    def take(self, volume_id: str, volumes: Sequence[Shown]) -> tuple[int, ...]:
        """Return the files of a volume, and remember those that are still mapped."""
        files = self._files.pop(volume_id, None)
        if not files:
            return ()
        for shown in volumes:
            if shown.volume_id == volume_id:
                mapped = {_inode(shown, path) for path in self._mapped(f"{shown.path}/")}
                self._files[volume_id] = {inode for inode in mapped if inode is not None}
        return tuple(sorted(files))

    def _mapped(self, below: str) -> Iterator[str]:
        """Yield the paths of all files below that a process shares and may store into."""
        start = os.fsencode(below)
        for number in self._numbers():
            try:
                with open(f"{self._processes}/{number}/maps", "rb") as file:  # noqa: PTH123
                    maps = file.read()
            except OSError:
                continue
            for line in maps.splitlines() if start in maps else ():
                _, rights, _, _, _, *path = line.split(None, 5)
                if b"w" in rights and b"s" in rights and path and path[0].startswith(start):
                    yield os.fsdecode(path[0])

    def _all(self) -> Sequence[int]:
        return [int(name) for name in os.listdir(self._processes) if name.isdigit()]  # noqa: PTH208


def _inode(shown: Shown, path: str) -> int | None:
    # The directory for changes has the names that are seen; with a `sub_path`, below that.
    inner = path[len(shown.path) :].lstrip("/")
    with suppress(OSError):
        return Path(shown.view.changes, shown.view.sub_path.strip("/"), inner).lstat().st_ino
    return None

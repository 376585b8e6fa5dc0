"""
A layer while it is being written.

Whoever changes a volume, be it a container's commit or a call from outside, notes each change in a
`Draft` and puts the bytes into its `room`. Directories on the way are made and remembered, so that
they can get their times once everything is in them. It knows no volume.
"""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

from modal_emulator.store.copying import AnyPath, copy_file, dispose, take_file
from modal_emulator.store.layer import Change, apply, make_removal
from modal_emulator.store.packing import pack_changes
from modal_emulator.store.paths import Parts
from modal_emulator.store.settling import stamp_all
from modal_emulator.store.tree import Entry, Tree

__all__ = ["Budget", "Draft", "Heavy", "Written"]


_BLOCK = 512  # the unit of st_blocks, on every file system


class Heavy(Exception):
    """Copying would take more than the caller allowed; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a draft may copy before it is `Heavy`."""

    files: float = math.inf
    bytes: float = math.inf


@dataclass(frozen=True, slots=True)
class Written:
    """A finished layer directory that no version has yet."""

    directory: Path
    seen: Tree
    """What the changes were made on."""
    shown: Tree
    """What they make of it."""
    changes: tuple[Change, ...]
    packed: bytes
    """The changes for the ledger, made where nobody waits for them."""
    directories: tuple[Parts, ...]
    """Those that are in the layer, each after the one it is in; the root is the first."""

    def drop(self) -> None:
        """Delete it, if it was not moved away; it will belong to no version."""
        if self.directory.exists():
            dispose(self.directory)


class Draft:
    """
    Changes on a tree, and the directory that takes their bytes.

    With `takes_over` the files that are brought will not be written to again, and become the
    layer's own; else they are copied, as far as the budget goes.
    """

    def __init__(
        self,
        directory: Path,
        seen: Tree,
        *,
        takes_over: bool = False,
        budget: Budget = Budget(),
    ) -> None:
        self.directory = directory
        self.seen = seen
        self.takes_over = takes_over
        self._files, self._bytes = budget.files, budget.bytes
        self._changes: dict[Parts, Change] = {}
        self._rooms: dict[Parts, str] = {(): str(directory)}

    def __len__(self) -> int:
        """Count the changes."""
        return len(self._changes)

    def note(self, parts: Parts, entry: Entry) -> None:
        """Say what a path becomes; its bytes are, or will be, in its room."""
        self._changes[parts] = Change(parts, entry)
        if entry.is_directory:
            self._make(parts)

    def remove(self, parts: Parts) -> None:
        """Say that a path and what is below it goes."""
        self._changes[parts] = Change(parts, None)
        make_removal(self.room(parts))

    def bring(self, source: AnyPath, parts: Parts, status: os.stat_result) -> Entry:
        """
        Put the bytes of a file, which has this status, into the room of a path; return its entry.

        Raises:
            FileNotFoundError: there is no regular file of this name (any more).
            Heavy: that would be more than the budget.
        """
        if self.takes_over:
            return take_file(source, self._place(parts), status)
        self._files -= 1
        self._bytes -= status.st_blocks * _BLOCK
        if self._files < 0 or self._bytes < 0:
            raise Heavy
        return copy_file(source, self._place(parts))

    def touch(self, parts: Parts, now_ns: int) -> None:
        """Give a directory, which is made if it is missing, the present time."""
        entry = self.seen.get(parts)
        if entry is None or not entry.is_directory:
            entry = Tree().root.entry
        self.note(parts, replace(entry, mtime_ns=now_ns))

    def room(self, parts: Parts) -> Path:
        """Return where a path lies in the layer; the directories above it are made."""
        return Path(self._place(parts))

    def finish(self) -> Written:
        """Return the layer, its directories stamped with what they have in the new tree."""
        changes = tuple(self._changes[parts] for parts in sorted(self._changes))
        directories = tuple(sorted(self._rooms))
        shown = apply(self.seen, changes)
        stamp_all(self.directory, directories, shown)
        return Written(
            directory=self.directory,
            seen=self.seen,
            shown=shown,
            changes=changes,
            packed=pack_changes(changes),
            directories=directories,
        )

    def _place(self, parts: Parts) -> str:
        return f"{self._make(parts[:-1])}/{parts[-1]}"

    def _make(self, parts: Parts) -> str:
        depth = len(parts)
        while (room := self._rooms.get(parts[:depth])) is None:
            depth -= 1
        # Step by step and not by recursion: paths may be deeper than Python's stack.
        for end in range(depth + 1, len(parts) + 1):
            room = self._rooms[parts[:end]] = f"{room}/{parts[end - 1]}"
            os.mkdir(room)  # noqa: PTH102
        return room

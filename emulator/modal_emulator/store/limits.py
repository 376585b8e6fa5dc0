"""
How much a volume can hold.

The numbers are Modal's documented ones. There the write that crosses one fails inside the
container (modal-semantics 1.6), which `room` is for; what gets past that is refused as a whole
commit, with the same words, and that is ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from modal_emulator.ground.errors import Conflict
from modal_emulator.store.layer import Change
from modal_emulator.store.tree import Tree

__all__ = ["NEAR", "Room", "VolumeLimits"]

NEAR = 50_000
"""Ours: so many names from a bound a container starts to be watched, which costs it time."""


class Room(NamedTuple):
    """How many names a volume, or each of its directories, can hold."""

    most: int
    left: int
    """How many more the whole volume can take."""
    per_directory: bool


@dataclass(frozen=True, slots=True)
class VolumeLimits:
    """Bounds of volumes; tests set small ones."""

    v1_inodes: int = 500_000
    """Files, directories and symlinks in a volume of version 1 (G:volumes [doc])."""
    v2_names: int = 262_144
    """Names in one directory of a volume of version 2 (G:volumes [doc])."""
    v2_file_size: int = (1 << 40) - 1
    """A file of version 2 is smaller than 1 TiB (G:volumes [doc])."""
    versions_kept: int | None = None
    """Ours: how many of its newest versions can be opened; None stands for all."""
    layers: int = 24
    """Ours: a version in more layers than this is merged; mount options are short."""

    def room(self, version: int, tree: Tree) -> Room | None:
        """Return how much a container can still make over a tree; None when that is a lot."""
        most = self.v1_inodes if version == 1 else self.v2_names
        if most - tree.count >= NEAR or (version == 2 and not tree.has_wide(most - NEAR)):
            return None
        return Room(most, most - tree.count, per_directory=version == 2)

    def check(self, version: int, old: Tree, new: Tree, changes: Iterable[Change]) -> None:
        """Raise Conflict if the step from one tree to another crosses a bound."""
        if version == 1:
            if new.count > self.v1_inodes and new.count > old.count:
                raise _full(f"a Volume can hold at most {self.v1_inodes} files and directories")
            return
        arrivals = [change for change in changes if change.entry is not None]
        for parts in {change.parts[:-1] for change in arrivals}:
            if new.size(parts) > self.v2_names and new.size(parts) > old.size(parts):
                raise _full(f"a directory can hold at most {self.v2_names} files")
        if any(c.entry is not None and c.entry.size > self.v2_file_size for c in arrivals):
            raise _full("a file must be smaller than 1 TiB")


def _full(why: str) -> Conflict:
    return Conflict(f"[Errno 28] No space left on device: {why}")

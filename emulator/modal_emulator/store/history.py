"""
The line of versions of one volume.

A version is what the volume holds after a commit: a tree, and the layers whose bytes make it. A
commit puts changes on the newest version, whatever the committer had seen: per file, the last
writer wins, and what it removed is gone. Older versions can be opened as long as their layers are
kept. It knows no disk, no container and no clock.
"""

from dataclasses import dataclass, field, replace

from immutables import Map

from modal_emulator.store.layer import Layer, LayerId, apply
from modal_emulator.store.tree import Tree

__all__ = ["Committer", "History", "Record", "Version"]


@dataclass(frozen=True, slots=True)
class Committer:
    """Who made a version, and on what occasion."""

    container_id: str = ""
    function: str = ""
    call: str = ""
    via: str = "commit"
    """commit, sync, reload, background, exit, kill or api."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a version for good: who made it, when, and how much changed."""

    number: int
    at: float
    by: Committer
    changed: int
    """How many paths; `Volumes.changed` tells which."""
    base: int = 0
    """The version that its maker was looking at; for edits from outside, the one before."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a volume holds at one moment."""

    number: int = 0
    tree: Tree = field(default_factory=Tree)
    layers: tuple[LayerId, ...] = ()
    """The newest first; stacked, they show the tree."""


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a volume's past, and its newest version."""

    head: Version = field(default_factory=Version)
    records: Map[int, Record] = field(default_factory=Map)
    kept: Map[int, tuple[LayerId, ...]] = field(default_factory=Map)
    """The older versions that can still be opened, with their layers; they are in a row."""

    @property
    def versions(self) -> tuple[Record, ...]:
        """The records of all versions, the oldest first; version 0 is the empty volume."""
        return tuple(self.records[number] for number in sorted(self.records))

    @property
    def openable(self) -> range:
        """The numbers of the versions that can be opened; the empty volume always can."""
        return range(min(self.kept, default=max(1, self.head.number)), self.head.number + 1)

    def commit(
        self,
        layer: Layer,
        at: float,
        by: Committer,
        tree: Tree | None = None,
        *,
        base: int | None = None,
        most: int | None = None,
    ) -> "History":
        """
        Return the history with these changes on top of its newest version.

        A caller that has worked out the resulting tree already may give it. `base` is what the
        committer looked at, if it was not the newest version; `most` is how many versions to keep.

        The last writer takes the whole file, without a merge and without an error
        (modal-semantics 1.2 [doc]).
        """
        before = self.head.number
        number = before + 1
        tree = apply(self.head.tree, layer.changes) if tree is None else tree
        head = Version(number, tree, (layer.layer_id, *self.head.layers))
        record = Record(number, at, by, len(layer.changes), before if base is None else base)
        kept = self.kept.set(before, self.head.layers) if before else self.kept
        return History(head, self.records.set(number, record), kept).trimmed(most)

    def trimmed(self, most: int | None) -> "History":
        """Return the history that keeps the newest `most` versions only; None keeps all."""
        if most is None:
            return self
        kept = self.kept
        # From the oldest that can be there: a commit drops one, so it does not go through all.
        for number in range(self.openable.start, self.head.number - most + 1):
            kept = kept.delete(number)
        return replace(self, kept=kept)

    def relayered(self, layers: tuple[LayerId, ...]) -> "History":
        """Return the history whose newest version is made of other layers that show the same."""
        return replace(self, head=replace(self.head, layers=layers))

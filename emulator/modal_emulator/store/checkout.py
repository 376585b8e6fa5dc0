"""
One container's view of a volume.

A checkout sits on one version and holds private changes over it, which the kernel writes into
`changes` as an overlay. It remembers what of them is committed already, so that a commit takes
only what is new. While the kernel's mount is away, its files can become a layer as they are; the
checkout that succeeds it then shows them from `own`, where nobody writes. It knows no container,
no RPC and no clock.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from modal_emulator.store.changes import Mark, Marks, Stamps, Upper, collect
from modal_emulator.store.copying import dispose, stamp
from modal_emulator.store.drafts import Draft, Written
from modal_emulator.store.history import Version
from modal_emulator.store.limits import Room, VolumeLimits
from modal_emulator.store.merging import merge
from modal_emulator.store.tree import Tree

__all__ = ["Checkout", "Staged", "Successor"]


@dataclass(frozen=True, slots=True)
class Successor:
    """A room for the view that comes after one whose files were taken over."""

    room: Path
    shown: Tree | None = None
    """What the container sees with nothing changed, if its `own` layer is in the room."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A version, private changes over it, and what of them was committed."""

    volume_id: str
    holder: str
    """Who sees it: a container's id."""
    base: Version
    below: tuple[Path, ...]
    """The directories that show `base`, the newest first."""
    room: Path
    start: Tree
    """What is seen while nothing is changed: the base, with `own` over it."""
    seen: Tree
    """The start with what was committed from here; others' commits are not in it."""
    marks: Marks = field(repr=False)
    has_own: bool = False
    version: int = 1
    """Of the volume's file system."""
    limits: VolumeLimits = field(default_factory=VolumeLimits)

    @classmethod
    def begin(
        cls,
        volume_id: str,
        holder: str,
        base: Version,
        below: tuple[Path, ...],
        room: Path,
        shown: Tree | None = None,
    ) -> "Checkout":
        """
        Begin in a room that `lay_out` made.

        `shown` is what the `own` layer in the room makes of the base, if there is one.
        """
        start = base.tree if shown is None else shown
        marks: Marks = {(): Mark(start.root.entry)}
        has_own = shown is not None
        checkout = cls(volume_id, holder, base, below, room, start, start, marks, has_own)
        # The kernel shows the upper directory's mode and time as those of the mount's root.
        stamp(checkout.changes, start.root.entry)
        return checkout

    @staticmethod
    def lay_out(room: Path) -> Path:
        """Make what a checkout needs in an empty room; returns the room."""
        for name in ("changes", "scratch", "kept"):
            (room / name).mkdir()
        return room

    @property
    def layers(self) -> tuple[Path, ...]:
        """The directories that show the start, the newest first."""
        return (self.own, *self.below) if self.has_own else self.below

    @property
    def own(self) -> Path:
        """A layer with what was committed from here and would not be seen else."""
        return self.room / "own"

    @property
    def names_left(self) -> Room | None:
        """How much the container can still make, None when that is a lot."""
        return self.limits.room(self.version, self.seen)

    @property
    def changes(self) -> Path:
        """The directory that takes what the container writes."""
        return self.room / "changes"

    @property
    def scratch(self) -> Path:
        """An empty directory for the kernel's use."""
        return self.room / "scratch"

    @property
    def kept(self) -> Path:
        """Committed bytes that a later commit must compare with."""
        return self.room / "kept"

    def stage(
        self, draft: Draft, stored: frozenset[int] = frozenset(), stamps: Stamps | None = None
    ) -> "Staged | None":
        """
        Put what is new into a draft; None if there is nothing new, nor to be remembered.

        `stored` are the inodes of files whose times may not tell that they were changed; `stamps`
        says at which instant what the machine stamped was written.

        Raises:
            Heavy: it is more than the draft may copy.
        """
        collected = collect(replace(self._upper(self.marks), stored=stored, stamps=stamps), draft)
        written = draft.finish()
        if not written.changes and (draft.takes_over or collected.marks == self.marks):
            written.drop()
            return None
        return Staged(written, collected.marks, collected.stale)

    def make_own(self, room: Path) -> Tree:
        """
        Make in a successor's room the layer that shows over `base` what is seen now.

        Its files are those of `changes`, which nobody may write to again.
        """
        target = room / "own"
        draft = Draft(room / "part" if self.has_own else target, self.start, takes_over=True)
        draft.directory.mkdir()
        collect(self._upper({(): Mark(self.start.root.entry)}), draft)
        shown = draft.finish().shown
        if self.has_own:
            target.mkdir()
            merge((draft.directory, self.own), self.below, target)
            dispose(draft.directory)
        return shown

    def committed(self, staged: "Staged", seen: Tree) -> "Checkout":
        """Return the checkout that knows these changes to be committed."""
        for path in staged.stale:
            path.unlink(missing_ok=True)
        return replace(self, marks=staged.marks, seen=seen)

    def _upper(self, marks: Marks) -> Upper:
        return Upper(self.changes, self.start, self.layers, marks, self.kept)


@dataclass(frozen=True, slots=True)
class Staged:
    """What one container is about to commit."""

    written: Written
    marks: Marks = field(repr=False)
    stale: tuple[Path, ...]
    successor: Successor | None = None
    """Where the view goes on, if the files that it wrote were taken over."""

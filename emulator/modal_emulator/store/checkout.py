"""
One container's view of a volume.

A checkout sits on one version and holds private changes over it, which the kernel writes into
`changes` as an overlay. It remembers what of them is committed already, so that a commit takes
only what is new. It knows no container, no RPC and no clock.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from modal_emulator.store.changes import Mark, Marks, Upper, collect
from modal_emulator.store.copying import stamp
from modal_emulator.store.drafts import Draft, Written
from modal_emulator.store.history import Version
from modal_emulator.store.tree import Tree

__all__ = ["Checkout", "Staged"]


@dataclass(frozen=True, slots=True)
class Checkout:
    """A version, private changes over it, and what of them was committed."""

    volume_id: str
    holder: str
    """Who sees it: a container's id."""
    base: Version
    layers: tuple[Path, ...]
    """The directories that show `base`, the newest first."""
    room: Path
    seen: Tree
    """The base with what was committed from here; others' commits are not in it."""
    marks: Marks = field(repr=False)

    @classmethod
    def begin(
        cls, volume_id: str, holder: str, base: Version, layers: tuple[Path, ...], room: Path
    ) -> "Checkout":
        """Lay out an empty room over a version."""
        root = base.tree.root.entry
        checkout = cls(volume_id, holder, base, layers, room, base.tree, {(): Mark(root)})
        for path in (checkout.changes, checkout.scratch, checkout.kept):
            path.mkdir()
        # The kernel shows the upper directory's mode and time as those of the mount's root.
        stamp(checkout.changes, root)
        return checkout

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

    def stage(self, draft: Draft) -> "Staged | None":
        """Put what is new into a draft; None if there is nothing new, nor to be remembered."""
        upper = Upper(self.changes, self.base.tree, self.layers, self.marks, self.kept)
        collected = collect(upper, draft)
        written = draft.finish()
        if not written.changes and collected.marks == self.marks:
            written.drop()
            return None
        return Staged(written, collected.marks, collected.stale)

    def committed(self, staged: "Staged", seen: Tree) -> "Checkout":
        """Return the checkout that knows these changes to be committed."""
        for path in staged.stale:
            path.unlink(missing_ok=True)
        return replace(self, marks=staged.marks, seen=seen)


@dataclass(frozen=True, slots=True)
class Staged:
    """What one container is about to commit."""

    written: Written
    marks: Marks = field(repr=False)
    stale: tuple[Path, ...]

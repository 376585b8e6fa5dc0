"""
One volume at work: its history, its layers on disk, and how one grows with the other.

Bytes are always on disk before the transaction that makes them a version. What is slow is split
in three: `begin_*` and `finish_*` belong to the one loop that owns the volume, what lies between
may run in any thread and touches nothing shared. It knows no names, containers or protocols.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import NotFound
from modal_emulator.store.archive import Archive, Kept
from modal_emulator.store.checkout import Checkout
from modal_emulator.store.drafts import Draft, Written
from modal_emulator.store.editions import Edition, Located
from modal_emulator.store.edits import Edit
from modal_emulator.store.history import Committer, History, Version
from modal_emulator.store.layer import Change, Layer, LayerId, apply
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.merging import how_many, merge
from modal_emulator.store.packing import pack_changes
from modal_emulator.store.settling import prune, settle
from modal_emulator.store.shelf import Shelf
from modal_emulator.store.tree import Tree

__all__ = ["Line", "Located", "Merging", "Writing"]


@dataclass(frozen=True, slots=True)
class Writing:
    """An edit under way: checked, and with a place for its layer."""

    line: "Line"
    edit: Edit
    draft: Draft
    base: Version

    def write(self) -> Written:
        """Write the layer; slow, and safe in any thread."""
        self.edit.write(self.draft)
        return self.draft.finish()


@dataclass(frozen=True, slots=True)
class Merging:
    """A merge under way: these layers become one."""

    line: "Line"
    layers: tuple[LayerId, ...]
    paths: tuple[Path, ...]
    below: tuple[Path, ...]
    base: Version
    room: Path

    def run(self) -> int:
        """Write the merged layer and return its size; slow, and safe in any thread."""
        return merge(self.paths, self.below, self.room)


class Line:
    """The line of versions of one volume, kept on a shelf and in the archive."""

    def __init__(
        self,
        volume_id: str,
        kept: Kept,
        shelf: Shelf,
        archive: Archive,
        clock: Clock,
        limits: VolumeLimits,
        version: int,
    ) -> None:
        self.volume_id = volume_id
        self.history = history = kept.history
        self.shelf = shelf
        self._trees = {0: kept.empty, **kept.trees}
        """Those older ones that are in memory; they share what did not change."""
        for layers in (history.head.layers, *history.kept.values()):
            shelf.need(layers)
        self._archive = archive
        self._clock = clock
        self._limits = limits
        self._version = version
        self.newest: tuple[Change, ...] = ()
        """What the newest version changed, once something was committed here."""

    @property
    def head(self) -> Version:
        """The newest version."""
        return self.history.head

    @property
    def paths(self) -> tuple[Path, ...]:
        """The directories that show the newest version, the newest first."""
        return self.shelf.paths(self.head.layers)

    @property
    def mount(self) -> str:
        """Where containers see the volume (modal-semantics 1.7 [sdk])."""
        return f"/__modal/volumes/{self.volume_id}"

    def locate(self, path: str) -> Located:
        """Return where the bytes of a regular file of the newest version are."""
        return self._edition(self.head, lambda: None).locate(path)

    # ---------------------------------------------------------------- commits

    def commit(self, written: Written, by: Committer, base: int | None = None) -> Version:
        """
        Put a written layer on the newest version, in one transaction; the layer is used up.

        Changes that say nothing on the newest version are left out; if none is left there is no
        new version. `base` is the version that the committer looks at, if not the newest.
        """
        try:
            return self._commit(written, by, base)
        except BaseException:
            self.drop(written.directory)
            raise

    def _commit(self, written: Written, by: Committer, base: int | None) -> Version:
        head, changes = self.head, written.changes
        tree, packed = written.shown, written.packed
        moved = head.tree is not written.seen
        if moved:
            changes = settle(changes, written.seen, head.tree)
            tree, packed = apply(head.tree, changes), pack_changes(changes)
        if not changes:
            self.drop(written.directory)
            return head
        self._limits.check(self._version, head.tree, tree, changes)
        if moved:
            prune(written.directory, written.directories, written.changes, changes, tree)
        layer = Layer(self.shelf.adopt(written.directory, len(changes)), changes)
        history = self.history.commit(
            layer, self._clock.now(), by, tree, base=base, most=self._limits.versions_kept
        )
        try:
            sizes = [self.shelf.sizes(version.layers) for version in (head, history.head)]
            self._archive.commit(self.volume_id, self.history, history, packed, sizes)
        except BaseException:
            self.shelf.sweep()
            raise
        self._follow(history)
        self.newest = changes
        return history.head

    def _follow(self, history: History) -> None:
        """Take a history that was made true for this one's, and drop what it does not keep."""
        before, self.history = self.history, history
        self.shelf.need(history.head.layers)
        if history.head.number == before.head.number or before.head.number not in history.kept:
            self.shelf.spare(before.head.layers)
        else:
            self._trees[before.head.number] = before.head.tree
        for number in range(before.openable.start, history.openable.start):
            self.shelf.spare(before.kept.get(number, ()))
            self._trees.pop(number, None)
        self.shelf.sweep()

    # ---------------------------------------------------------------- older versions

    def edition(self, number: int | None, title: str, let_go: Callable[[], None]) -> Edition:
        """
        Hold a version open, the newest one if no number is given, until its `close` is called.

        `title` names the volume in errors; `let_go` is called when it was closed.
        """
        version = self.head if number is None else self.version(number, title)
        self.shelf.pin(version.layers)

        def close() -> None:
            self.shelf.unpin(version.layers)
            self.shelf.sweep()
            let_go()

        return self._edition(version, close)

    def _edition(self, version: Version, close: Callable[[], None]) -> Edition:
        paths = self.shelf.paths(version.layers)
        return Edition(version.number, version.tree, paths, self.mount, close)

    def version(self, number: int, title: str = "the Volume") -> Version:
        """
        Return a version that is kept, the newest included.

        Raises:
            NotFound: it is not kept any more, or there never was one.
        """
        if number == self.head.number:
            return self.head
        if number and number not in self.history.kept:
            raise NotFound(self._missing(number, title))
        if number not in self._trees:
            # All at once, so that they share what did not change; those in memory share more.
            kept = self.history.kept
            found = self._archive.trees(self.volume_id, kept, self._trees[0])
            self._trees = {**found, **self._trees}
        return Version(number, self._trees[number], self.history.kept.get(number, ()))

    def _missing(self, number: int, title: str) -> str:
        kept = self.history.openable
        if not 0 < number < kept.start:
            return f"{title} has no version {number}; the newest is {self.head.number}"
        which = f"kept are {kept[0]} to {kept[-1]}" if len(kept) > 1 else f"kept is {kept[0]}"
        return f"version {number} of {title} is not kept any more; {which}"

    # ---------------------------------------------------------------- edits

    def begin_edit(self, edit: Edit) -> Writing:
        """Check an edit on the newest version and hold that version for it."""
        edit.check(self.head.tree)
        writing = Writing(self, edit, Draft(self.shelf.workroom(), self.head.tree), self.head)
        self.shelf.pin(self.head.layers)
        return writing

    def finish_edit(self, writing: Writing, written: Written, by: Committer) -> Version:
        """Make an edit the newest version, if it may still be made there; then `abandon_edit`."""
        if self.head.tree is not writing.draft.seen:
            writing.edit.check(self.head.tree)
        return self.commit(written, by)

    def abandon_edit(self, writing: Writing) -> None:
        """Let go of what an edit held."""
        self.shelf.unpin(writing.base.layers)
        self.drop(writing.draft.directory)
        self.shelf.sweep()

    # ---------------------------------------------------------------- checkouts

    def checkout(self, holder: str, room: Path) -> Checkout:
        """Begin a view of the newest version in a room laid out for it, and hold that version."""
        checkout = Checkout.begin(self.volume_id, holder, self.head, self.paths, room)
        self.shelf.pin(self.head.layers)
        return replace(checkout, version=self._version, limits=self._limits)

    def resume(self, old: Checkout, room: Path, shown: Tree) -> Checkout:
        """Begin a view of what another one shows, whose `own` layer is in this room."""
        checkout = Checkout.begin(self.volume_id, old.holder, old.base, old.below, room, shown)
        self.shelf.pin(old.base.layers)
        return replace(checkout, version=self._version, limits=self._limits)

    def release(self, checkout: Checkout) -> None:
        """Take a view back, with all that was not committed."""
        self.shelf.unpin(checkout.base.layers)
        self.drop(checkout.room)
        self.shelf.sweep()

    # ---------------------------------------------------------------- merges

    def begin_merge(self, most: int) -> Merging | None:
        """Plan a merge if the newest version has more than `most` layers."""
        if len(self.head.layers) <= most:
            return None
        count = how_many(self.shelf.sizes(self.head.layers))
        merging = Merging(
            line=self,
            layers=self.head.layers[:count],
            paths=self.paths[:count],
            below=self.paths[count:],
            base=self.head,
            room=self.shelf.workroom(),
        )
        self.shelf.pin(self.head.layers)
        return merging

    def finish_merge(self, merging: Merging, size: int) -> None:
        """Put a merged layer in the place of those it was made of, if they are there still."""
        layers, count = self.head.layers, len(merging.layers)
        try:
            start = max(0, len(layers) - len(merging.base.layers))
            if layers[start:] != merging.base.layers:
                return  # another merge was quicker
            merged = self.shelf.adopt(merging.room, size)
            history = self.history.relayered((*layers[:start], merged, *layers[start + count :]))
            sizes = self.shelf.sizes(history.head.layers)
            self._archive.relayer(self.volume_id, history.head, sizes)
            self._follow(history)
        finally:
            self.abandon_merge(merging)

    def abandon_merge(self, merging: Merging) -> None:
        """Let go of what a merge held; the layers stay as they are."""
        self.shelf.unpin(merging.base.layers)
        self.drop(merging.room)
        self.shelf.sweep()

    def drop(self, room: Path) -> None:
        """Give a workroom away, unless it became a layer."""
        if room.exists():
            self.shelf.discard(room)

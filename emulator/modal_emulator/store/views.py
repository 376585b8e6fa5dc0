"""
What containers hold of volumes: their views, and how one goes on when it was published.

A commit copies what a container wrote, while that goes on writing. Where its mount is away and
nothing can be written, the files themselves become the layer, so that no bytes are copied however
large they are; then the view goes on in another room, for nobody may write to a layer's files. It
knows no container and no mount: the caller sees to it that they are away.
"""

from collections.abc import Callable
from pathlib import Path

from modal_emulator.ground.errors import Conflict
from modal_emulator.store.changes import Stamps
from modal_emulator.store.checkout import Checkout, Staged, Successor
from modal_emulator.store.drafts import Budget, Draft
from modal_emulator.store.history import Committer, Version
from modal_emulator.store.layer import apply
from modal_emulator.store.line import Line
from modal_emulator.store.lines import Lines

__all__ = ["Views"]


class Views:
    """The views of one World's volumes, by their rooms."""

    def __init__(
        self,
        lines: Lines,
        line: Callable[[str], Line],
        told: Callable[[Line, Version, Committer], None],
        stamps: Callable[[str], Stamps | None],
    ) -> None:
        """
        Keep views of what `lines` holds.

        `line` returns the line of a volume that exists, or raises; `told` hears of each publishing;
        `stamps` returns how the machine's stamps of what somebody wrote are to be read.
        """
        self._lines = lines
        self._line = line
        self._told = told
        self._stamps = stamps
        self._checkouts: dict[Path, tuple[Checkout, Line]] = {}

    def checkout(self, volume_id: str, holder: str) -> Checkout:
        """Give a container a view of the newest version, with an empty place for its changes."""
        line = self._line(volume_id)
        return self._keep(line.checkout(holder, Checkout.lay_out(line.shelf.workroom())), line)

    def stage(self, checkout: Checkout, budget: Budget, stored: frozenset[int]) -> Staged | None:
        """
        Copy what the container changed since its last commit; None if it changed nothing.

        Slow, and safe in any thread, one at a time per checkout: nothing shared is changed.

        Raises:
            Heavy: it is more than the budget.
        """
        current, line = self._held(checkout)
        draft = Draft(line.shelf.workroom(), current.seen, budget=budget)
        try:
            return current.stage(draft, stored, self._stamps(checkout.holder))
        except BaseException:
            line.drop(draft.directory)
            raise

    def stage_still(self, checkout: Checkout, stored: frozenset[int]) -> Staged | None:
        """
        Take over what the container changed since its last commit; None if it changed nothing.

        The container must not be able to write until it has got the view that `replace` returns.
        Slow, and safe in any thread, as `stage` is.
        """
        current, line = self._held(checkout)
        draft = Draft(line.shelf.workroom(), current.seen, takes_over=True)
        room = line.shelf.workroom()
        try:
            staged = current.stage(draft, stored, self._stamps(checkout.holder))
            if staged is None:
                line.drop(room)
                return None
            Checkout.lay_out(room)
            alone = line.head.tree is current.seen
            return Staged(
                staged.written,
                staged.marks,
                staged.stale,
                Successor(room, None if alone else current.make_own(room)),
            )
        except BaseException:
            line.drop(draft.directory)
            line.drop(room)
            raise

    def publish(self, checkout: Checkout, staged: Staged, by: Committer) -> Version:
        """Make what was staged the newest version; the newest as it is, if nothing changed."""
        current, line, before = self._commit(checkout, staged, by)
        version = line.head
        alone = before.tree is staged.written.seen
        seen = version.tree if alone else apply(current.seen, staged.written.changes)
        self._checkouts[checkout.room] = current.committed(staged, seen), line
        self._told(line, before, by)
        return version

    def replace(
        self, checkout: Checkout, staged: Staged, by: Committer, *, newest: bool
    ) -> Checkout:
        """
        Publish what was taken over, and return the view that the container gets instead.

        That shows the newest version if `newest`, else what it saw before.
        """
        successor = staged.successor
        assert successor is not None  # it comes from `stage_still`
        room, shown = successor.room, successor.shown
        current, line = self._held(checkout)
        try:
            alone = line.head.tree is staged.written.seen
            if shown is None and not newest and not alone:
                shown = current.make_own(room)  # others were quicker
            _, _, before = self._commit(checkout, staged, by)
        except BaseException:
            staged.written.drop()
            line.drop(room)
            raise
        # From here on nobody may write to the old view's files, so nothing here can fail.
        if newest or alone:
            new = line.checkout(checkout.holder, room)
        else:
            assert shown is not None
            new = line.resume(current, room, shown)
        self._keep(new, line)
        self.release(current)
        self._told(line, before, by)
        return new

    def discard(self, checkout: Checkout, staged: Staged) -> None:
        """Give up what was staged instead of publishing it; it can be staged again."""
        staged.written.drop()
        if staged.successor is not None:
            _, line = self._held(checkout)
            line.drop(staged.successor.room)

    def advance(self, checkout: Checkout) -> Checkout:
        """Return a view of the newest version in place of this one, whose changes are dropped."""
        new = self.checkout(checkout.volume_id, checkout.holder)
        self.release(checkout)
        return new

    def release(self, checkout: Checkout) -> None:
        """Take a view back; what was not committed is gone. A second call does nothing."""
        held = self._checkouts.pop(checkout.room, None)
        if held is not None:
            held[1].release(checkout)
            self._lines.let_go(held[1])

    def _keep(self, checkout: Checkout, line: Line) -> Checkout:
        self._checkouts[checkout.room] = checkout, line
        return checkout

    def _commit(
        self, checkout: Checkout, staged: Staged, by: Committer
    ) -> tuple[Checkout, Line, Version]:
        """Publish; returns the view, its line and what was the newest version before."""
        try:
            current, line = self._held(checkout)
            self._line(checkout.volume_id)  # it may have been deleted
        except BaseException:
            staged.written.drop()
            raise
        before = line.head
        line.commit(staged.written, by, current.base.number)
        return current, line, before

    def _held(self, checkout: Checkout) -> tuple[Checkout, Line]:
        held = self._checkouts.get(checkout.room)
        if held is None:
            raise Conflict("This view of the Volume was given back")
        return held

"""
The volumes of one World: the door to everything that is kept in files.

Which volumes exist is asked of `names`, what a commit means of `history` and `settling`, what was
written of `checkout` and `edits`; here these are brought together so that bytes are on disk
before the one transaction that makes them a version. It knows no container and no protocol.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.store.archive import Archive
from modal_emulator.store.arrivals import adding, directory_members
from modal_emulator.store.changes import Stamps
from modal_emulator.store.checkout import Checkout, Staged
from modal_emulator.store.content import Content
from modal_emulator.store.drafts import Budget, Written
from modal_emulator.store.editions import Edition, Located
from modal_emulator.store.edits import Incoming, copying, putting, removing
from modal_emulator.store.environments import Environments
from modal_emulator.store.history import Committer, History, Version
from modal_emulator.store.layer import Change, named
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.line import Line, Merging, Writing
from modal_emulator.store.lines import Lines
from modal_emulator.store.names import Claim, Creation, Family, Named, Names
from modal_emulator.store.paths import parse, show
from modal_emulator.store.seeds import VolumeSeed
from modal_emulator.store.tars import Member
from modal_emulator.store.tree import Entry
from modal_emulator.store.views import Views
from modal_emulator.store.volume import VOLUME, Volume

__all__ = ["UNBOUNDED", "VOLUME", "Incoming", "Located", "Volume", "VolumeLimits", "Volumes"]

UNBOUNDED = Budget()


class Volumes:
    """The volumes of one World."""

    def __init__(
        self,
        ledger: Ledger,
        names: Names,
        environments: Environments,
        directory: Path,
        content: Content,
        clock: Clock,
        ids: Ids,
        journal: Journal,
        limits: VolumeLimits = VolumeLimits(),  # noqa: B008 - a frozen value
        stamps: Callable[[str], Stamps | None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._names = names
        self._environments = environments
        self._content = content
        self._clock = clock
        self._journal = journal
        self._limits = limits
        self._archive = Archive(ledger)
        self._lines = Lines(directory, self._archive, clock, limits)
        stamps = stamps or (lambda _: clock.stamps())
        self._views = Views(self._lines, self._line, self._told, stamps)
        self._seeds: dict[str, VolumeSeed] = {}
        """What is to be in volumes that nobody has looked into yet."""
        names.register(Family(VOLUME, "vo", forget=self._forget, remade=self._tell))

    # ---------------------------------------------------------------- which there are

    def get_or_create(
        self,
        *,
        name: str,
        environment: str,
        creation: Creation,
        version: int | None = None,
        app_id: str = "",
    ) -> Volume:
        """
        Return the volume that a client asks for.

        One that exists keeps its version whatever was asked for: the client compares
        (modal-semantics 1.9 [sdk]).
        """
        if version not in (None, 0, 1, 2):
            raise Invalid("VolumeFS version must be either 1 or 2")
        environment = self._environments.resolve(environment)
        claim = Claim(environment, name, creation, app_id, version=version or 1)
        with self._ledger.transaction():
            named, made = self._names.claim(VOLUME, claim)
            if creation is Creation.CREATE_OVERWRITE_IF_EXISTS and not made:
                # No SDK asks for it; a new volume in place of the old is a guess.
                self._names.drop(VOLUME, named.object_id)
                named, made = self._names.claim(VOLUME, claim)
        if made:
            self._tell(named)
        return Volume.of(named)

    def sow(self, seed: VolumeSeed) -> None:
        """Make a volume, if it is missing, that gets its files when somebody looks into it."""
        volume = self.get_or_create(
            name=seed.name,
            environment="",
            creation=Creation.CREATE_IF_MISSING,
            version=seed.version,
        )
        self._seeds[volume.volume_id] = seed

    def get(self, volume_id: str) -> Volume:
        """Return a volume by its id."""
        return Volume.of(self._names.get(VOLUME, volume_id))

    def list(
        self, environment: str, *, limit: int | None = None, created_before: float | None = None
    ) -> tuple[Volume, ...]:
        """Return the named volumes of an environment, the newest first."""
        environment = self._environments.resolve(environment)
        found = self._names.list(VOLUME, environment, limit=limit, created_before=created_before)
        return tuple(Volume.of(named) for named in found)

    def rename(self, volume_id: str, name: str) -> Volume:
        """Give a volume another name; its id stays."""
        return Volume.of(self._names.rename(VOLUME, volume_id, name))

    def delete(self, volume_id: str) -> None:
        """End a volume; containers that show it keep their view and can commit no more."""
        self._names.drop(VOLUME, volume_id)
        self._journal.add("volume.deleted", volume_id=volume_id)

    def heartbeat(self, volume_id: str) -> None:
        """Keep an ephemeral volume alive."""
        self._names.heartbeat(VOLUME, volume_id)

    # ---------------------------------------------------------------- what is in them

    def history(self, volume_id: str) -> History:
        """Return the line of a volume's versions."""
        return self._line(volume_id).history

    def changed(self, volume_id: str, number: int) -> tuple[Change, ...]:
        """Return what a version changed."""
        return self._archive.changed(self.get(volume_id).volume_id, number)

    def packed_changes(self, volume_id: str, number: int) -> bytes:
        """Return the same for `unpack_changes`, which is slow where it is much."""
        return self._archive.packed(self.get(volume_id).volume_id, number)

    def entries(
        self, volume_id: str, path: str, *, recursive: bool, max_entries: int | None = None
    ) -> Iterator[tuple[str, Entry]]:
        """List a directory of the newest version, or the one file of this path."""
        tree, parts = self._line(volume_id).head.tree, parse(path)
        if tree.get(parts) is None:
            raise NotFound(f"No such file or directory: '{path}'")
        listing = islice(tree.listing(parts, recursive=recursive), max_entries)
        return ((show(below), entry) for below, entry in listing)

    def locate(self, volume_id: str, path: str) -> Located:
        """Return where the bytes of a file are; symlinks are followed inside the volume only."""
        return self._line(volume_id).locate(path)

    def edition(self, volume_id: str, number: int | None = None) -> Edition:
        """Open a version, the newest without a number; the caller closes it."""
        line, title = self._line(volume_id), f"Volume '{self.get(volume_id).name or volume_id}'"
        return line.edition(number, title, lambda: self._lines.let_go(line))

    # ---------------------------------------------------------------- edits from outside

    def put_files(
        self, volume_id: str, files: Sequence[Incoming], *, overwrite: bool, by: Committer
    ) -> Version:
        """Make files of contents that are here; all of them or none."""
        writing = self.begin_put(volume_id, files, overwrite=overwrite)
        return self._at_once(writing, by)

    def begin_put(self, volume_id: str, files: Sequence[Incoming], *, overwrite: bool) -> Writing:
        """
        Check what `put_files` would do, for a caller who writes in a thread.

        The caller calls `write` there, and then `finish` or `abandon` here.
        """
        edit = putting(files, self._content, overwrite=overwrite, now_ns=self._now_ns())
        return self._line(volume_id).begin_edit(edit)

    def begin_add(self, volume_id: str, members: Iterable[Member]) -> Writing:
        """Prepare to add what an archive or a directory holds; to be used as `begin_put` is."""
        return self._line(volume_id).begin_edit(adding(members, self._now_ns()))

    def remove(self, volume_id: str, path: str, *, recursive: bool, by: Committer) -> Version:
        """Remove a file, or a directory with all it holds."""
        edit = removing(path, recursive=recursive, now_ns=self._now_ns())
        return self._at_once(self._line(volume_id).begin_edit(edit), by)

    def copy(
        self,
        volume_id: str,
        sources: Sequence[str],
        destination: str,
        *,
        recursive: bool,
        by: Committer,
    ) -> Version:
        """Copy files as `cp` does."""
        writing = self.begin_copy(volume_id, sources, destination, recursive=recursive)
        return self._at_once(writing, by)

    def begin_copy(
        self, volume_id: str, sources: Sequence[str], destination: str, *, recursive: bool
    ) -> Writing:
        """Check what `copy` would do; to be used as `begin_put` is."""
        line = self._line(volume_id)

        edit = copying(
            sources,
            destination,
            line.paths,
            recursive=recursive,
            now_ns=self._now_ns(),
            mount=line.mount,
        )
        return line.begin_edit(edit)

    def finish(self, writing: Writing, written: Written, by: Committer) -> Version:
        """Make what was written outside any container the newest version."""
        line, before = writing.line, writing.line.head
        try:
            self.get(line.volume_id)  # it may have been deleted meanwhile
            version = line.finish_edit(writing, written, by)
        finally:
            self.abandon(writing)
        self._told(line, before, by)
        return version

    def abandon(self, writing: Writing) -> None:
        """Give up what was begun; nothing of it happened."""
        writing.line.abandon_edit(writing)
        self._lines.let_go(writing.line)

    # ---------------------------------------------------------------- containers' views

    def checkout(self, volume_id: str, holder: str) -> Checkout:
        """Give a container a view of the newest version, with an empty place for its changes."""
        return self._views.checkout(volume_id, holder)

    def stage(
        self,
        checkout: Checkout,
        budget: Budget = UNBOUNDED,
        stored: frozenset[int] = frozenset(),
    ) -> Staged | None:
        """
        Copy what the container changed since its last commit; None if it changed nothing.

        `stored` are the inodes of files that were perhaps changed without a stamp. Slow, and safe
        in any thread, one at a time per checkout: nothing shared is changed.

        Raises:
            Heavy: it is more than the budget.
        """
        return self._views.stage(checkout, budget, stored)

    def stage_still(
        self, checkout: Checkout, stored: frozenset[int] = frozenset()
    ) -> Staged | None:
        """As `stage`, but without copying: the container cannot write, and `replace` follows."""
        return self._views.stage_still(checkout, stored)

    def publish(self, checkout: Checkout, staged: Staged, by: Committer) -> Version:
        """Make what was staged the newest version; the newest as it is, if nothing changed."""
        return self._views.publish(checkout, staged, by)

    def replace(
        self, checkout: Checkout, staged: Staged, by: Committer, *, newest: bool
    ) -> Checkout:
        """Publish, and return the view that comes after: the `newest`, or what was seen before."""
        return self._views.replace(checkout, staged, by, newest=newest)

    def discard(self, checkout: Checkout, staged: Staged) -> None:
        """Give up what was staged instead of publishing it; it can be staged again."""
        self._views.discard(checkout, staged)

    def advance(self, checkout: Checkout) -> Checkout:
        """Return a view of the newest version in place of this one, whose changes are dropped."""
        return self._views.advance(checkout)

    def release(self, checkout: Checkout) -> None:
        """Take a view back; what was not committed is gone. A second call does nothing."""
        self._views.release(checkout)

    # ---------------------------------------------------------------- merges

    def begin_merge(self, volume_id: str) -> Merging | None:
        """
        Plan a merge of layers while it can still be done in a thread, None if none is due.

        The caller runs it there and calls `finish_merge` here. Nobody has to: a commit that finds
        too many layers merges them itself, but then everybody waits.
        """
        return self._line(volume_id).begin_merge(self._limits.layers * 2 // 3)

    def finish_merge(self, merging: Merging, size: int) -> None:
        """Use a merged layer, if the volume is still there."""
        if not self._lines.has(merging.line):
            self.abandon_merge(merging)
        else:
            merging.line.finish_merge(merging, size)

    def abandon_merge(self, merging: Merging) -> None:
        """Leave the layers as they are."""
        merging.line.abandon_merge(merging)
        self._lines.let_go(merging.line)

    def empty_trash(self, most: float = math.inf) -> None:
        """Delete about so many files of what is gone; slow, and safe in any thread."""
        self._lines.trash.empty(most)

    # ---------------------------------------------------------------- inside

    def _at_once(self, writing: Writing, by: Committer) -> Version:
        try:
            written = writing.write()
        except BaseException:
            self.abandon(writing)
            raise
        return self.finish(writing, written, by)

    def _told(self, line: Line, before: Version, by: Committer) -> None:
        """Record a new version, and keep its layers few."""
        if line.head is before:
            return
        record = line.history.records[line.head.number]
        paths, removed, added = named(line.newest, before.tree)
        self._journal.add(
            "volume.commit",
            volume_id=line.volume_id,
            version=line.head.number,
            container_id=by.container_id,
            function=by.function,
            call_id=by.call,
            via=by.via,
            base=record.base,
            changed=record.changed,
            paths=paths,
            removed=removed,
            added=added,
        )
        try:
            self._merge_if_due(line)
        except OSError as error:  # the commit is true already; the next one tries again
            self._journal.add("volume.merge-failed", volume_id=line.volume_id, error=repr(error))

    def _merge_if_due(self, line: Line) -> None:
        merging = line.begin_merge(self._limits.layers)
        if merging is None:
            return
        try:
            size = merging.run()
        except BaseException:
            line.abandon_merge(merging)
            raise
        line.finish_merge(merging, size)

    def _line(self, volume_id: str) -> Line:
        volume = self.get(volume_id)
        line = self._lines.open(
            volume.volume_id, version=volume.version, created_at=volume.created_at
        )
        seed = self._seeds.get(volume_id)
        if seed is not None and not line.history.versions:
            edit = adding(directory_members(seed.directory), self._now_ns())
            self._at_once(line.begin_edit(edit), Committer(via="api", function="seed"))
        self._seeds.pop(volume_id, None)
        return line

    def _forget(self, volume_id: str) -> None:
        self._seeds.pop(volume_id, None)
        self._archive.forget(volume_id)
        self._ledger.on_commit(lambda: self._lines.close(volume_id))

    def _tell(self, made: Named) -> None:
        self._journal.add("volume.created", volume_id=made.object_id, name=made.name)

    def _now_ns(self) -> int:
        return int(self._clock.now() * 1e9)

"""
The volumes of one World: the door to everything that is kept in files.

Which volumes exist is asked of `names`, what a commit means of `history` and `settling`, what was
written of `checkout` and `edits`; here these are brought together so that bytes are on disk
before the one transaction that makes them a version. It knows no container and no protocol.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Conflict, Invalid, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.store.archive import Archive
from modal_emulator.store.checkout import Checkout, Staged
from modal_emulator.store.content import Content
from modal_emulator.store.drafts import Draft, Written
from modal_emulator.store.edits import Edit, Incoming, copying, putting, removing
from modal_emulator.store.environments import Environments
from modal_emulator.store.history import Committer, History, Version
from modal_emulator.store.layer import Change, Layer, apply, find
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.links import follow
from modal_emulator.store.merging import how_many, merge
from modal_emulator.store.names import Claim, Creation, Family, Named, Names
from modal_emulator.store.paths import Parts, parse, show
from modal_emulator.store.settling import prune, settle
from modal_emulator.store.shelf import Shelf, Trash
from modal_emulator.store.tree import ROOT_MODE, Entry, Kind, Tree

__all__ = ["VOLUME", "Incoming", "Located", "Volume", "VolumeLimits", "Volumes"]

VOLUME = "Volume"


@dataclass(frozen=True, slots=True)
class Volume:
    """What is known of a volume, but for its files."""

    volume_id: str
    name: str
    environment: str
    version: int
    """Of its file system: 1 or 2."""
    created_at: float
    created_by: str


@dataclass(frozen=True, slots=True)
class Located:
    """A file of the newest version, and where its bytes are; nobody may write to them."""

    path: Path
    entry: Entry


@dataclass(slots=True)
class _Open:
    """A volume in memory: its history, and where its layers are."""

    history: History
    shelf: Shelf


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
    ) -> None:
        self._ledger = ledger
        self._names = names
        self._environments = environments
        self._directory = directory
        self._content = content
        self._clock = clock
        self._journal = journal
        self._limits = limits
        self._archive = Archive(ledger)
        self._trash = Trash(directory / "trash")
        self._open: dict[str, _Open] = {}
        self._checkouts: dict[Path, tuple[Checkout, Shelf]] = {}
        names.register(Family(VOLUME, "vo", forget=self._forget))
        self._sweep()

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
            self._journal.add("volume.created", volume_id=named.object_id, name=named.name)
        return _volume(named)

    def get(self, volume_id: str) -> Volume:
        """Return a volume by its id."""
        return _volume(self._names.get(VOLUME, volume_id))

    def list(
        self, environment: str, *, limit: int | None = None, created_before: float | None = None
    ) -> tuple[Volume, ...]:
        """Return the named volumes of an environment, the newest first."""
        environment = self._environments.resolve(environment)
        found = self._names.list(VOLUME, environment, limit=limit, created_before=created_before)
        return tuple(_volume(named) for named in found)

    def rename(self, volume_id: str, name: str) -> Volume:
        """Give a volume another name; its id stays."""
        return _volume(self._names.rename(VOLUME, volume_id, name))

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
        return self._opened(volume_id)[1].history

    def changed(self, volume_id: str, number: int) -> tuple[Change, ...]:
        """Return what a version changed."""
        return self._archive.changed(self.get(volume_id).volume_id, number)

    def entries(
        self, volume_id: str, path: str, *, recursive: bool, max_entries: int | None = None
    ) -> Iterator[tuple[str, Entry]]:
        """List a directory of the newest version, or the one file of this path."""
        tree, parts = self.history(volume_id).head.tree, parse(path)
        entry = tree.get(parts)
        if entry is None:
            raise NotFound(f"No such file or directory: '{path}'")
        return _limited(_listing(tree, parts, entry, recursive=recursive), max_entries)

    def locate(self, volume_id: str, path: str) -> Located:
        """Return where the bytes of a file are; symlinks are followed inside the volume only."""
        volume, opened = self._opened(volume_id)
        head, parts = opened.history.head, parse(path)
        parts = follow(head.tree, parts, _mount(volume))
        entry = head.tree.get(parts)
        place = find(opened.shelf.paths(head.layers), parts)
        if entry is None or place is None:
            raise NotFound(f"No such file or directory: '{path}'")
        if entry.kind is not Kind.FILE:
            raise Invalid(f"'{path}' is not a regular file")
        return Located(place, entry)

    # ---------------------------------------------------------------- edits from outside

    def put_files(
        self, volume_id: str, files: Sequence[Incoming], *, overwrite: bool, by: Committer
    ) -> Version:
        """Make files of contents that are here; all of them or none."""
        edit = putting(files, self._content, overwrite=overwrite, now_ns=self._now_ns())
        return self._carry_out(volume_id, edit, by)

    def remove(self, volume_id: str, path: str, *, recursive: bool, by: Committer) -> Version:
        """Remove a file, or a directory with all it holds."""
        edit = removing(path, recursive=recursive, now_ns=self._now_ns())
        return self._carry_out(volume_id, edit, by)

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
        volume, opened = self._opened(volume_id)

        def resolve(tree: Tree, parts: Parts) -> Parts:
            return follow(tree, parts, _mount(volume))

        edit = copying(
            sources,
            destination,
            opened.shelf.paths(opened.history.head.layers),
            recursive=recursive,
            now_ns=self._now_ns(),
            resolve=resolve,
        )
        return self._carry_out(volume_id, edit, by)

    # ---------------------------------------------------------------- containers' views

    def checkout(self, volume_id: str, holder: str) -> Checkout:
        """Give a container a view of the newest version, with an empty place for its changes."""
        volume, opened = self._opened(volume_id)
        base, shelf = opened.history.head, opened.shelf
        checkout = Checkout.begin(
            volume.volume_id, holder, base, shelf.paths(base.layers), shelf.workroom()
        )
        shelf.pin(base.layers)
        self._checkouts[checkout.room] = checkout, shelf
        return checkout

    def stage(self, checkout: Checkout) -> Staged | None:
        """
        Copy what the container changed since its last commit; None if it changed nothing.

        Slow, and safe in any thread, one at a time per checkout: nothing shared is changed.
        """
        self._trash.empty()
        current, shelf = self._held(checkout)
        draft = Draft(shelf.workroom(), current.seen)
        try:
            return current.stage(draft)
        except BaseException:
            shelf.discard(draft.directory)
            raise

    def publish(self, checkout: Checkout, staged: Staged, by: Committer) -> Version:
        """Make what was staged the newest version; the newest as it is, if nothing changed."""
        current, shelf = self._held(checkout)
        try:
            volume, opened = self._opened(checkout.volume_id)
            alone = opened.history.head.tree is staged.written.seen
            version = self._commit(volume, opened, staged.written, by)
        except BaseException:
            staged.written.drop()
            raise
        seen = version.tree if alone else apply(current.seen, staged.written.changes)
        self._checkouts[checkout.room] = current.committed(staged, seen), shelf
        return version

    def advance(self, checkout: Checkout) -> Checkout:
        """Return a view of the newest version in place of this one, whose changes are dropped."""
        new = self.checkout(checkout.volume_id, checkout.holder)
        self.release(checkout)
        return new

    def release(self, checkout: Checkout) -> None:
        """Take a view back; what was not committed is gone. A second call does nothing."""
        held = self._checkouts.pop(checkout.room, None)
        if held is None:
            return
        shelf = held[1]
        shelf.discard(checkout.room)
        shelf.unpin(checkout.base.layers)
        opened = self._open.get(checkout.volume_id)
        if opened is not None:
            shelf.keep_only(opened.history.head.layers)
        elif not shelf.held:
            shelf.close()  # the volume was deleted while it was shown

    # ---------------------------------------------------------------- inside

    def _carry_out(self, volume_id: str, edit: Edit, by: Committer) -> Version:
        volume, opened = self._opened(volume_id)
        tree = opened.history.head.tree
        edit.check(tree)
        draft = Draft(opened.shelf.workroom(), tree)
        try:
            edit.write(draft)
            return self._commit(volume, opened, draft.finish(), by)
        except BaseException:
            if draft.directory.exists():
                opened.shelf.discard(draft.directory)
            raise

    def _commit(self, volume: Volume, opened: _Open, written: Written, by: Committer) -> Version:
        """Put a written layer on the newest version, in one transaction."""
        head, shelf = opened.history.head, opened.shelf
        changes = written.changes
        if head.tree is not written.seen:
            changes = settle(changes, written.seen, head.tree)
        if not changes:
            shelf.discard(written.directory)
            return head
        tree = apply(head.tree, changes)
        self._limits.check(volume.version, head.tree, tree, changes)
        if head.tree is not written.seen:
            prune(written.directory, written.directories, written.changes, changes, tree)
        layer = Layer(shelf.adopt(written.directory, len(changes)), changes)
        history = opened.history.commit(layer, self._clock.now(), by)
        try:
            sizes = shelf.sizes(history.head.layers)
            self._archive.commit(volume.volume_id, history, changes, sizes)
        except BaseException:
            shelf.keep_only(head.layers)
            raise
        opened.history = history
        self._journal.add(
            "volume.commit",
            volume_id=volume.volume_id,
            version=history.head.number,
            container_id=by.container_id,
            via=by.via,
            changed=len(changes),
        )
        self._merge(volume, opened)
        return opened.history.head

    def _merge(self, volume: Volume, opened: _Open) -> None:
        """Merge the newest layers of a version that has too many."""
        head, shelf = opened.history.head, opened.shelf
        if len(head.layers) <= self._limits.layers:
            return
        count = how_many(shelf.sizes(head.layers))
        upper, lower = head.layers[:count], head.layers[count:]
        room = shelf.workroom()
        size = merge(shelf.paths(upper), shelf.paths(lower), room)
        history = opened.history.relayered((shelf.adopt(room, size), *lower))
        sizes = shelf.sizes(history.head.layers)
        self._archive.relayer(volume.volume_id, history.head, sizes)
        opened.history = history
        shelf.keep_only(history.head.layers)

    def _held(self, checkout: Checkout) -> tuple[Checkout, Shelf]:
        held = self._checkouts.get(checkout.room)
        if held is None:
            raise Conflict("This view of the Volume was given back")
        return held

    def _opened(self, volume_id: str) -> tuple[Volume, _Open]:
        volume = self.get(volume_id)
        volume_id = volume.volume_id
        if volume_id not in self._open:
            born = Entry(Kind.DIRECTORY, 0, int(volume.created_at * 1e9), ROOT_MODE)
            kept = self._archive.load(volume_id, Tree().put((), born))
            shelf = Shelf(self._directory / volume_id, self._trash, kept.sizes)
            self._open[volume_id] = _Open(kept.history, shelf)
        return volume, self._open[volume_id]

    def _forget(self, volume_id: str) -> None:
        self._archive.forget(volume_id)
        self._ledger.on_commit(lambda: self._put_away(volume_id))

    def _put_away(self, volume_id: str) -> None:
        opened = self._open.pop(volume_id, None)
        shelf = opened.shelf if opened else Shelf(self._directory / volume_id, self._trash, {})
        if not shelf.held:
            shelf.close()

    def _sweep(self) -> None:
        """Give away what a killed process left: layers no version has, and all checkouts."""
        if not self._directory.exists():
            return
        stacks = self._archive.stacks()
        self._trash.empty()
        for place in self._directory.iterdir():
            if place.name not in stacks:
                self._trash.take(place) if place.name != "trash" else None
                continue
            for path in place.iterdir():
                if path.name not in stacks[place.name]:
                    self._trash.take(path)

    def _now_ns(self) -> int:
        return int(self._clock.now() * 1e9)


def _volume(named: Named) -> Volume:
    return Volume(
        volume_id=named.object_id,
        name=named.name,
        environment=named.environment,
        version=named.version or 1,
        created_at=named.created_at,
        created_by=named.created_by,
    )


def _mount(volume: Volume) -> str:
    # Where containers see it (modal-semantics 1.7 [sdk]).
    return f"/__modal/volumes/{volume.volume_id}"


def _listing(
    tree: Tree, parts: Parts, entry: Entry, *, recursive: bool
) -> Iterator[tuple[str, Entry]]:
    if not entry.is_directory:
        yield show(parts), entry
    elif recursive:
        for below, found in tree.walk(parts):
            yield show(below), found
    else:
        for name, found in tree.children(parts):
            yield show((*parts, name)), found


def _limited(entries: Iterator[tuple[str, Entry]], most: int | None) -> Iterator[tuple[str, Entry]]:
    return entries if most is None else islice(entries, most)

"""
How volumes' histories are kept in the ledger.

One row per version says who and when, another what changed; one row per volume names the layers of
the newest version, and one row per older version that is kept names those of that one. A whole
tree is written only when the changes since the last one outweigh it, so a commit costs what it
changed, and reading back costs about as much as the volume is large. Older trees are replayed from
the changes when somebody asks for them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from immutables import Map

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.memory import only_births
from modal_emulator.store.history import Committer, History, Record, Version
from modal_emulator.store.layer import Change, LayerId
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.packing import (
    pack,
    pack_tree,
    unpack,
    unpack_changes,
    unpack_pairs,
    unpack_tree,
)
from modal_emulator.store.tree import Tree

__all__ = ["Archive", "Kept"]

_STACK, _SNAPSHOT = "volume.stack", "volume.snapshot"
_VERSION, _CHANGES, _KEPT = "volume.version:", "volume.changes:", "volume.kept:"
_SLACK = 1000  # changes that are always cheaper to replay than a tree is to write


@dataclass(frozen=True, slots=True)
class Kept:
    """A volume as it was found in the ledger."""

    empty: Tree
    """The tree before the first commit."""
    history: History
    sizes: Mapping[LayerId, int]
    """Of the layers of all versions that can be opened."""
    trees: Mapping[int, Tree] = field(default_factory=dict)
    """Those of older versions that were met on the way to the newest; they share with it."""


class Archive:
    """The histories of all volumes, in one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._since: dict[str, int] = {}
        """How many changes came after the last snapshot of a volume."""

    def load(self, volume_id: str, empty: Tree) -> Kept:
        """Return what is kept of a volume; `empty` is its tree before the first commit."""
        stack = self._ledger.get(_STACK, volume_id)
        if stack is None:
            return Kept(empty, History(Version(tree=empty)), {})
        sizes = dict(unpack(stack))
        records = {
            int(key): _record(int(key), value)
            for key, value in self._ledger.all(_VERSION + volume_id)
        }
        head = max(records)
        older = {int(key): dict(value) for key, value in self._stacks(_KEPT + volume_id)}
        with only_births():
            start, tree = self._start(volume_id, head, empty)
            trees = self._replay(volume_id, start, tree, {head, *older})
        replayed = range(start + 1, head + 1)
        self._since[volume_id] = sum(records[number].changed for number in replayed)
        kept = Map({number: tuple(stack) for number, stack in older.items()})
        history = History(Version(head, trees.pop(head), tuple(sizes)), Map(records), kept)
        every = {layer: size for stack in (*older.values(), sizes) for layer, size in stack.items()}
        return Kept(empty, history, every, trees)

    def trees(self, volume_id: str, numbers: Collection[int], empty: Tree) -> dict[int, Tree]:
        """Return the trees of these versions."""
        with only_births():
            start, tree = self._start(volume_id, min(numbers), empty)
            return self._replay(volume_id, start, tree, numbers)

    def needed(self) -> dict[str, set[LayerId]]:
        """Return the layers of each volume that some version needs."""
        needed: dict[str, set[LayerId]] = {}
        for volume_id, stack in self._stacks(_STACK):
            needed[volume_id] = {layer_id for layer_id, _ in stack}
            for _, older in self._stacks(_KEPT + volume_id):
                needed[volume_id].update(layer_id for layer_id, _ in older)
        return needed

    def trim(self, most: int) -> None:
        """Keep no more than the newest `most` versions of each volume."""
        with self._ledger.transaction():
            for volume_id, _ in tuple(self._ledger.all(_STACK)):
                keys = [key for key, _ in self._ledger.all(_KEPT + volume_id)]
                for key in keys[: max(0, len(keys) + 1 - most)]:
                    self._ledger.delete(_KEPT + volume_id, key)

    def commit(
        self,
        volume_id: str,
        before: History,
        after: History,
        packed: bytes,
        sizes: Sequence[Sequence[int]],
    ) -> None:
        """
        Make the newest version of `after` true, and that of `before` one of the older ones.

        `packed` are the changes between them, `sizes` those of the layers of both.
        """
        old, head = before.head, after.head
        record = after.records[head.number]
        row = [record.at, record.changed, asdict(record.by), record.base]
        since = self._since.get(volume_id, 0) + record.changed
        snapshot = since > 2 * head.tree.count + _SLACK
        with self._ledger.transaction():
            self._ledger.put(_VERSION + volume_id, _key(head.number), pack(row))
            self._ledger.put(_CHANGES + volume_id, _key(head.number), packed)
            self.relayer(volume_id, head, sizes[1])
            if old.number in after.kept:
                self._ledger.put(_KEPT + volume_id, _key(old.number), _stack(old, sizes[0]))
            for number in range(before.openable.start, after.openable.start):
                self._ledger.delete(_KEPT + volume_id, _key(number))
            if snapshot:
                self._snapshot(volume_id, head)
        self._since[volume_id] = 0 if snapshot else since

    def relayer(self, volume_id: str, head: Version, sizes: Sequence[int]) -> None:
        """Make it true that the newest version is in these layers."""
        self._ledger.put(_STACK, volume_id, _stack(head, sizes))

    def changed(self, volume_id: str, number: int) -> tuple[Change, ...]:
        """Return what a version changed."""
        return unpack_changes(self.packed(volume_id, number))

    def packed(self, volume_id: str, number: int) -> bytes:
        """Return what a version changed as it is kept, to be unpacked in any thread."""
        value = self._ledger.get(_CHANGES + volume_id, _key(number))
        if value is None:
            raise NotFound(f"The Volume has no version {number}")
        return value

    def forget(self, volume_id: str) -> None:
        """Drop all that is kept of a volume."""
        for kind in (_STACK, _SNAPSHOT):
            self._ledger.delete(kind, volume_id)
        for kind in (_VERSION, _CHANGES, _KEPT):
            self._ledger.clear(kind + volume_id)
        self._since.pop(volume_id, None)

    def _start(self, volume_id: str, upto: int, empty: Tree) -> tuple[int, Tree]:
        """Return the newest whole tree on the way to a version, after its number."""
        snapshot = self._ledger.get(_SNAPSHOT, volume_id)
        if snapshot is not None:
            number = int.from_bytes(snapshot[:8], "big")
            if number <= upto:
                return number, unpack_tree(snapshot[8:])
        return 0, empty

    def _replay(
        self, volume_id: str, start: int, tree: Tree, numbers: Collection[int]
    ) -> dict[int, Tree]:
        """Return the trees of versions, as far as they are not before `start`, whose is given."""
        found, last = {start: tree} if start in numbers else {}, max(numbers)
        for key, value in self._ledger.all(_CHANGES + volume_id, after=_key(start)):
            number = int(key)
            if number > last:
                break
            tree = tree.change(unpack_pairs(value))
            if number in numbers:
                found[number] = tree
        return found

    def _stacks(self, kind: str) -> Iterator[tuple[str, list[tuple[LayerId, int]]]]:
        for key, value in self._ledger.all(kind):
            yield key, unpack(value)

    def _snapshot(self, volume_id: str, head: Version) -> None:
        value = head.number.to_bytes(8, "big") + pack_tree(head.tree)
        self._ledger.put(_SNAPSHOT, volume_id, value)


def _key(number: int) -> str:
    return f"{number:012d}"


def _stack(version: Version, sizes: Sequence[int]) -> bytes:
    return pack(list(zip(version.layers, sizes, strict=True)))


def _record(number: int, value: bytes) -> Record:
    at, changed, by, *base = unpack(value)
    # Ledgers of before 0.2 do not tell the base; most commits were made on the version before.
    return Record(number, at, Committer(**by), changed, *(base or (number - 1,)))

"""
How volumes' histories are kept in the ledger.

One row per version says who and when, another what changed; one row per volume names the layers of
the newest version. A whole tree is written only when the changes since the last one outweigh it,
so a commit costs what it changed, and reading back costs about as much as the volume is large.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from immutables import Map

from modal_emulator.ground.errors import NotFound
from modal_emulator.store.history import Committer, History, Record, Version
from modal_emulator.store.layer import Change, LayerId, apply
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.packing import (
    pack,
    pack_tree,
    unpack,
    unpack_changes,
    unpack_tree,
)
from modal_emulator.store.tree import Tree

__all__ = ["Archive", "Kept"]

_STACK, _SNAPSHOT = "volume.stack", "volume.snapshot"
_VERSION, _CHANGES = "volume.version:", "volume.changes:"
_SLACK = 1000  # changes that are always cheaper to replay than a tree is to write


@dataclass(frozen=True, slots=True)
class Kept:
    """A volume as it was found in the ledger."""

    history: History
    sizes: Mapping[LayerId, int]
    """Of the newest version's layers."""


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
            return Kept(History(Version(tree=empty)), {})
        sizes = dict(unpack(stack))
        records = {
            int(key): _record(int(key), value)
            for key, value in self._ledger.all(_VERSION + volume_id)
        }
        tree, number, self._since[volume_id] = empty, 0, 0
        snapshot = self._ledger.get(_SNAPSHOT, volume_id)
        if snapshot is not None:
            number = int.from_bytes(snapshot[:8], "big")
            tree = unpack_tree(snapshot[8:])
        for _, value in self._ledger.all(_CHANGES + volume_id, after=_key(number)):
            changes = unpack_changes(value)
            tree = apply(tree, changes)
            self._since[volume_id] += len(changes)
        head = Version(max(records), tree, tuple(sizes))
        return Kept(History(head, Map(records)), sizes)

    def stacks(self) -> dict[str, set[LayerId]]:
        """Return the layers that each volume's newest version needs."""
        return {
            volume_id: set(dict(unpack(value))) for volume_id, value in self._ledger.all(_STACK)
        }

    def commit(self, volume_id: str, history: History, packed: bytes, sizes: Sequence[int]) -> None:
        """Make the newest version true; `packed` are the changes that it made."""
        head = history.head
        record = history.records[head.number]
        row = [record.at, record.changed, asdict(record.by)]
        since = self._since.get(volume_id, 0) + record.changed
        snapshot = since > 2 * head.tree.count + _SLACK
        with self._ledger.transaction():
            self._ledger.put(_VERSION + volume_id, _key(head.number), pack(row))
            self._ledger.put(_CHANGES + volume_id, _key(head.number), packed)
            self.relayer(volume_id, head, sizes)
            if snapshot:
                self._snapshot(volume_id, head)
        self._since[volume_id] = 0 if snapshot else since

    def relayer(self, volume_id: str, head: Version, sizes: Sequence[int]) -> None:
        """Make it true that the newest version is in these layers."""
        rows = list(zip(head.layers, sizes, strict=True))
        self._ledger.put(_STACK, volume_id, pack(rows))

    def changed(self, volume_id: str, number: int) -> tuple[Change, ...]:
        """Return what a version changed."""
        value = self._ledger.get(_CHANGES + volume_id, _key(number))
        if value is None:
            raise NotFound(f"The Volume has no version {number}")
        return unpack_changes(value)

    def forget(self, volume_id: str) -> None:
        """Drop all that is kept of a volume."""
        for kind in (_STACK, _SNAPSHOT):
            self._ledger.delete(kind, volume_id)
        for kind in (_VERSION, _CHANGES):
            self._ledger.clear(kind + volume_id)
        self._since.pop(volume_id, None)

    def _snapshot(self, volume_id: str, head: Version) -> None:
        value = head.number.to_bytes(8, "big") + pack_tree(head.tree)
        self._ledger.put(_SNAPSHOT, volume_id, value)


def _key(number: int) -> str:
    return f"{number:012d}"


def _record(number: int, value: bytes) -> Record:
    at, changed, by = unpack(value)
    return Record(number, at, Committer(**by), changed)

"""
The items of Queues: bytes in a row, in partitions that are cleared some time after the last put.

Items lie in one table of the ledger under numbers that only grow, so a number says where in its
partition somebody is even when the item is gone; partitions lie in another, in the order of the
instants at which they are cleared. No timer is needed: whatever is asked first removes what is
over. Who waits for an item is not known here, and neither is which Queues there are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Exhausted, Invalid, TooLarge
from modal_emulator.store.ledger import Ledger

__all__ = ["QueueLimits", "Queues", "entry_number"]

_TABLES = """
CREATE TABLE IF NOT EXISTS queue_items (
    number INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, partition BLOB NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS queue_items_row ON queue_items (queue, partition, number);
CREATE TABLE IF NOT EXISTS queue_partitions (
    queue TEXT NOT NULL, partition BLOB NOT NULL, due REAL NOT NULL, items INTEGER NOT NULL,
    size INTEGER NOT NULL, PRIMARY KEY (queue, partition)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS queue_partitions_due ON queue_partitions (due)
"""
_FIRST = """
SELECT number, value FROM queue_items WHERE queue = ? AND partition = ? ORDER BY number LIMIT ?
"""
_BEYOND = """
SELECT number, value FROM queue_items WHERE queue = ? AND partition = ? AND number > ?
ORDER BY number
"""
_CLEAR_ITEMS = """
DELETE FROM queue_items WHERE (queue, partition) IN
(SELECT queue, partition FROM queue_partitions WHERE due <= ?)
"""
_KEEP = """
INSERT INTO queue_partitions (queue, partition, due, items, size) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (queue, partition) DO UPDATE SET due = excluded.due, items = excluded.items,
size = excluded.size
"""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Bounds of Queues; tests set small ones."""

    partitions: int = 100_000
    """That hold items, in one Queue (modal-semantics 4.2 [doc])."""
    items: int = 5_000
    """In one partition (4.2 [doc])."""
    item_size: int = 1 << 20
    """4.2 [doc]."""
    partition_size: int = 64 << 20
    """Of all items of a partition (4.2 [doc])."""
    ttl: float = 24 * 3600.0
    """The longest span after the last put, and the one that holds without another (4.2 [doc])."""

    def span(self, ttl: float) -> float:
        """Return how long a partition lasts after a put; raise Invalid for what cannot be."""
        if not 0 <= ttl <= self.ttl:
            raise Invalid(f"partition_ttl must be between 1 and {self.ttl:g} seconds")  # [guess]
        return ttl or self.ttl

    def check(self, values: Sequence[bytes]) -> None:
        """Raise TooLarge unless each of these may be an item; the text is ours."""
        if any(len(value) > self.item_size for value in values):
            # By these words the SDK knows that it must say RequestSizeError (SDK:queue.py).
            raise TooLarge(f"An item is larger than {self.item_size} B (status = '413')")

    def full(self, items: int, size: int, partitions: int) -> Exhausted | None:
        """Return what to raise if a put would leave so much; the texts are ours."""
        if items > self.items:
            return Exhausted(f"A partition of a Queue can hold {self.items} items at most")
        if size > self.partition_size:
            return Exhausted(f"A partition of a Queue can hold {self.partition_size} B at most")
        if partitions > self.partitions:
            return Exhausted(f"A Queue can have {self.partitions} partitions at most")
        return None


def entry_number(entry_id: str) -> int:
    """Return the number that an entry id stands for; an empty one stands before all."""
    if entry_id and not entry_id.isdecimal():
        raise Invalid(f"There is no entry id {entry_id!r}")
    return int(entry_id or 0)


class Queues:
    """The items of all Queues of one World."""

    def __init__(self, ledger: Ledger, clock: Clock, limits: QueueLimits | None = None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._limits = limits or QueueLimits()
        self._partitions: dict[str, int] = {}
        """How many partitions a Queue has, of those that were counted."""
        ledger.own(_TABLES)
        self._first = self._earliest()

    def put(self, queue_id: str, partition: bytes, values: Sequence[bytes], ttl: float) -> None:
        """Add all values or none."""
        span = self._limits.span(ttl)
        self._limits.check(values)
        if not values:
            return
        due = self._sweep() + span
        items, size = self._measure(queue_id, partition)
        partitions = self.partitions(queue_id) + (not items)
        items, size = items + len(values), size + sum(map(len, values))
        full = self._limits.full(items, size, partitions)
        if full is not None:
            raise full
        with self._ledger.transaction():
            for value in values:
                self._ledger.run(
                    "INSERT INTO queue_items (queue, partition, value) VALUES (?, ?, ?)",
                    queue_id,
                    partition,
                    value,
                )
            self._ledger.run(_KEEP, queue_id, partition, due, items, size)
        self._partitions[queue_id] = partitions
        self._first = min(self._first, due)

    def take(self, queue_id: str, partition: bytes, most: int) -> list[bytes]:
        """Take so many items away, or what there is."""
        self._sweep()
        rows = self._ledger.run(_FIRST, queue_id, partition, max(0, most)).fetchall()
        if not rows:
            return []
        values = [bytes(value) for _, value in rows]
        items, size = self._measure(queue_id, partition)
        with self._ledger.transaction():
            self._ledger.run(
                "DELETE FROM queue_items WHERE queue = ? AND partition = ? AND number <= ?",
                queue_id,
                partition,
                rows[-1][0],
            )
            if items > len(rows):
                self._ledger.run(
                    "UPDATE queue_partitions SET items = ?, size = ? "
                    "WHERE queue = ? AND partition = ?",
                    items - len(rows),
                    size - sum(map(len, values)),
                    queue_id,
                    partition,
                )
            else:
                self._drop(queue_id, partition)
        return values

    def after(self, queue_id: str, partition: bytes, entry_id: str) -> list[tuple[str, bytes]]:
        """Return the items beyond an entry, and leave them there."""
        self._sweep()
        rows = self._ledger.run(_BEYOND, queue_id, partition, entry_number(entry_id)).fetchall()
        return [(str(number), bytes(value)) for number, value in rows]

    def holds(self, queue_id: str, partition: bytes, entry_id: str) -> bool:
        """Return whether there is an item beyond an entry."""
        self._sweep()
        [newest] = self._ledger.run(
            "SELECT MAX(number) FROM queue_items WHERE queue = ? AND partition = ?",
            queue_id,
            partition,
        ).fetchone()
        return newest is not None and int(newest) > entry_number(entry_id)

    def length(self, queue_id: str, partition: bytes | None) -> int:
        """Return how many items a partition holds, or all of them."""
        self._sweep()
        if partition is not None:
            return self._measure(queue_id, partition)[0]
        [items] = self._ledger.run(
            "SELECT SUM(items) FROM queue_partitions WHERE queue = ?", queue_id
        ).fetchone()
        return int(items or 0)

    def partitions(self, queue_id: str) -> int:
        """Return how many partitions hold items."""
        self._sweep()
        if queue_id not in self._partitions:
            [count] = self._ledger.run(
                "SELECT COUNT(*) FROM queue_partitions WHERE queue = ?", queue_id
            ).fetchone()
            self._partitions[queue_id] = int(count)
        return self._partitions[queue_id]

    def clear(self, queue_id: str, partition: bytes | None) -> None:
        """Take away all items of a partition, or of all."""
        with self._ledger.transaction():
            if partition is not None:
                self._ledger.run(
                    "DELETE FROM queue_items WHERE queue = ? AND partition = ?", queue_id, partition
                )
                self._drop(queue_id, partition)
                return
            self._ledger.run("DELETE FROM queue_items WHERE queue = ?", queue_id)
            self._ledger.run("DELETE FROM queue_partitions WHERE queue = ?", queue_id)
            self._partitions.pop(queue_id, None)

    # ---------------------------------------------------------------- inside

    def _sweep(self) -> float:
        """Clear the partitions whose time is over, and return the present instant."""
        now = self._clock.now()
        if now >= self._first:
            with self._ledger.transaction():
                self._ledger.run(_CLEAR_ITEMS, now)
                self._ledger.run("DELETE FROM queue_partitions WHERE due <= ?", now)
            self._partitions.clear()
            self._first = self._earliest()
        return now

    def _earliest(self) -> float:
        """Return an instant before which nothing is cleared."""
        [due] = self._ledger.run("SELECT MIN(due) FROM queue_partitions").fetchone()
        return math.inf if due is None else float(due)

    def _measure(self, queue_id: str, partition: bytes) -> tuple[int, int]:
        found = self._ledger.run(
            "SELECT items, size FROM queue_partitions WHERE queue = ? AND partition = ?",
            queue_id,
            partition,
        ).fetchone()
        return (0, 0) if found is None else (int(found[0]), int(found[1]))

    def _drop(self, queue_id: str, partition: bytes) -> None:
        self._ledger.run(
            "DELETE FROM queue_partitions WHERE queue = ? AND partition = ?", queue_id, partition
        )
        self._partitions.pop(queue_id, None)  # it is counted again when somebody asks

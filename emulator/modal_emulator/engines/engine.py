"""
The seam behind which Dicts and Queues are kept.

A `Registry` says which objects of a kind there are; a `DictEngine` and a `QueueEngine` hold what is
in them, under the objects' ids. They are three, because handlers ask the registry first (an id that
leads nowhere is refused there) and use the id that it answers with. Keys and values are bytes; what
they mean is known to the SDK alone. Instants are those of the emulator's clock.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from modal_emulator.store.names import Creation, Named

__all__ = ["DictEngine", "Engines", "QueueEngine", "Registry"]


class Registry(Protocol):
    """The objects of one kind: their names, ids and lives."""

    async def claim(
        self, name: str, environment: str, creation: Creation, app_id: str = ""
    ) -> tuple[Named, bool]:
        """
        Return the object that a client asks for, and whether it was made just now.

        Raises:
            NotFound: only an existing one was asked for.
            AlreadyExists: only a new one was asked for.
        """
        ...

    async def get(self, object_id: str) -> Named:
        """Return the object behind an id, whose own id may be another; raise NotFound."""
        ...

    async def list(
        self, environment: str, *, limit: int | None = None, created_before: float | None = None
    ) -> tuple[Named, ...]:
        """Return the named objects of an environment, the newest first."""
        ...

    async def delete(self, object_id: str) -> None:
        """End an object's life, and forget what was in it; raise NotFound."""
        ...

    async def heartbeat(self, object_id: str) -> None:
        """Keep an ephemeral object alive for another grace; raise NotFound."""
        ...


class DictEngine(Protocol):
    """
    The entries of Dicts; each expires seven days after its last read or write.

    Two keys are the same if their bytes are. Expired entries are never seen nor counted.
    """

    async def get(self, dict_id: str, key: bytes) -> bytes | None:
        """Return the value, if there is one; a read that renews."""
        ...

    async def contains(self, dict_id: str, key: bytes) -> bool:
        """Return whether there is such an entry; whether this renews is in `DictLimits`."""
        ...

    async def update(
        self, dict_id: str, entries: Sequence[tuple[bytes, bytes]], *, if_absent: bool
    ) -> bool:
        """
        Write all entries in one step, or those alone whose keys are not there yet.

        Returns whether anything was written: what `Dict.put` answers.

        Raises:
            Invalid: too many entries at once.
            TooLarge: a value is larger than an object may be.
        """
        ...

    async def pop(self, dict_id: str, key: bytes) -> bytes | None:
        """Take an entry away and return its value, if it was there."""
        ...

    async def clear(self, dict_id: str) -> None:
        """Take all entries away."""
        ...

    async def length(self, dict_id: str) -> int:
        """Return how many entries there are, 100,000 at most; this renews nothing."""
        ...

    def contents(self, dict_id: str) -> AsyncIterator[tuple[bytes, bytes]]:
        """
        Go through the entries, without order.

        It takes the keys as they are at the beginning; what goes on the way may be left out.
        Whether it renews is in `DictLimits`.
        """
        ...


class QueueEngine(Protocol):
    """
    The items of Queues, first in, first out in each partition.

    A partition is cleared some time after the last put to it. The default one has an empty key.
    """

    async def put(
        self, queue_id: str, partition: bytes, values: Sequence[bytes], ttl: float
    ) -> None:
        """
        Add all values in one step, or none; the partition then lasts for another `ttl` seconds.

        A `ttl` of 0 stands for the longest.

        Raises:
            Exhausted: there is no room for all of them now.
            Invalid: there is no such span.
            TooLarge: a value is larger than an item may be.
        """
        ...

    async def take(self, queue_id: str, partition: bytes, most: int) -> list[bytes]:
        """Take so many items away, or what there is; at once, and nothing if there is none."""
        ...

    async def arrival(self, queue_id: str, partition: bytes, until: float, after: str = "") -> bool:
        """
        Wait until there may be an item beyond the entry `after` (any, if empty), and return True.

        Returns False when the clock reaches `until` first. Also True when the queue was deleted
        meanwhile, so whoever waits asks the registry and tries again. This is the one call here
        that waits for events of the story.
        """
        ...

    async def after(
        self, queue_id: str, partition: bytes, entry_id: str
    ) -> list[tuple[str, bytes]]:
        """
        Return the items beyond an entry, with their ids, and leave them there.

        From the first one if the id is empty; the entry itself may be gone.
        """
        ...

    async def length(self, queue_id: str, partition: bytes | None) -> int:
        """Return how many items a partition holds; None stands for all partitions together."""
        ...

    async def partitions(self, queue_id: str) -> int:
        """Return how many partitions hold items."""
        ...

    async def clear(self, queue_id: str, partition: bytes | None) -> None:
        """Take away all items of a partition; None stands for all partitions."""
        ...


@dataclass(frozen=True, slots=True)
class Engines:
    """All that a World needs for its Dicts and Queues."""

    dicts: Registry
    queues: Registry
    dict_engine: DictEngine
    queue_engine: QueueEngine
    open: Callable[[], Awaitable[None]]
    """To be awaited once before use: raises Unavailable when a server cannot be reached."""
    close: Callable[[], Awaitable[None]]

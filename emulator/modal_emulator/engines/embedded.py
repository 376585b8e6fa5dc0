"""
Dicts and Queues in the emulator's own ledger: the engine that needs nothing else.

It translates only; what is kept, and for how long, is decided in `store/`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial

from modal_emulator.engines.arrivals import Arrivals
from modal_emulator.engines.engine import Engines
from modal_emulator.ground.clock import Clock
from modal_emulator.store.dicts import DictLimits, Dicts
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Claim, Creation, Family, Named, Names
from modal_emulator.store.queues import QueueLimits, Queues

__all__ = ["DICT", "QUEUE", "EmbeddedDicts", "EmbeddedQueues", "EmbeddedRegistry", "embedded"]

DICT, QUEUE = "Dict", "Queue"


class EmbeddedRegistry:
    """The objects of one kind in this World's registry of names."""

    def __init__(self, kind: str, names: Names, environments: Environments) -> None:
        self._kind = kind
        self._names = names
        self._environments = environments

    async def claim(
        self, name: str, environment: str, creation: Creation, app_id: str = ""
    ) -> tuple[Named, bool]:
        """Return the object that a client asks for, and whether it was made just now."""
        claim = Claim(self._environments.resolve(environment), name, creation, app_id)
        return self._names.claim(self._kind, claim)

    async def get(self, object_id: str) -> Named:
        """Return the object behind an id."""
        return self._names.get(self._kind, object_id)

    async def list(
        self, environment: str, *, limit: int | None = None, created_before: float | None = None
    ) -> tuple[Named, ...]:
        """Return the named objects of an environment, the newest first."""
        environment = self._environments.resolve(environment)
        return self._names.list(self._kind, environment, limit=limit, created_before=created_before)

    async def delete(self, object_id: str) -> None:
        """End an object's life; its family forgets what was in it."""
        self._names.drop(self._kind, object_id)

    async def heartbeat(self, object_id: str) -> None:
        """Keep an ephemeral object alive for another grace."""
        self._names.heartbeat(self._kind, object_id)


class EmbeddedDicts:
    """Dicts in the ledger."""

    def __init__(self, dicts: Dicts) -> None:
        self._dicts = dicts

    async def get(self, dict_id: str, key: bytes) -> bytes | None:
        """Return the value, if there is one."""
        return self._dicts.get(dict_id, key)

    async def contains(self, dict_id: str, key: bytes) -> bool:
        """Return whether there is such an entry."""
        return self._dicts.contains(dict_id, key)

    async def update(
        self, dict_id: str, entries: Sequence[tuple[bytes, bytes]], *, if_absent: bool
    ) -> bool:
        """Write all entries, or those whose keys are not there yet."""
        return self._dicts.update(dict_id, entries, if_absent=if_absent)

    async def pop(self, dict_id: str, key: bytes) -> bytes | None:
        """Take an entry away and return its value."""
        return self._dicts.pop(dict_id, key)

    async def clear(self, dict_id: str) -> None:
        """Take all entries away."""
        self._dicts.clear(dict_id)

    async def length(self, dict_id: str) -> int:
        """Return how many entries there are."""
        return self._dicts.length(dict_id)

    async def contents(self, dict_id: str) -> AsyncIterator[tuple[bytes, bytes]]:
        """Go through the entries."""
        for key in self._dicts.keys(dict_id):
            value = self._dicts.scan(dict_id, key)
            if value is not None:
                yield key, value


class EmbeddedQueues:
    """Queues in the ledger, and who waits for them."""

    def __init__(self, queues: Queues, arrivals: Arrivals) -> None:
        self._queues = queues
        self._arrivals = arrivals

    async def put(
        self, queue_id: str, partition: bytes, values: Sequence[bytes], ttl: float
    ) -> None:
        """Add all values in one step, or none, and wake who waits for them."""
        self._queues.put(queue_id, partition, values, ttl)
        self._arrivals.told(queue_id, partition)

    async def take(self, queue_id: str, partition: bytes, most: int) -> list[bytes]:
        """Take so many items away, or what there is."""
        return self._queues.take(queue_id, partition, most)

    async def arrival(self, queue_id: str, partition: bytes, until: float, after: str = "") -> bool:
        """Wait until there may be an item, or the clock reaches an instant."""

        async def there() -> bool:
            return self._queues.holds(queue_id, partition, after)

        return await self._arrivals.wait(queue_id, partition, until, there)

    async def after(
        self, queue_id: str, partition: bytes, entry_id: str
    ) -> list[tuple[str, bytes]]:
        """Return the items beyond an entry, with their ids."""
        return self._queues.after(queue_id, partition, entry_id)

    async def length(self, queue_id: str, partition: bytes | None) -> int:
        """Return how many items a partition holds, or all of them."""
        return self._queues.length(queue_id, partition)

    async def partitions(self, queue_id: str) -> int:
        """Return how many partitions hold items."""
        return self._queues.partitions(queue_id)

    async def clear(self, queue_id: str, partition: bytes | None) -> None:
        """Take away all items of a partition, or of all."""
        self._queues.clear(queue_id, partition)


def embedded(
    ledger: Ledger,
    names: Names,
    environments: Environments,
    clock: Clock,
    dict_limits: DictLimits | None = None,
    queue_limits: QueueLimits | None = None,
) -> Engines:
    """Keep Dicts and Queues in this ledger."""
    dicts, queues = Dicts(ledger, clock, dict_limits), Queues(ledger, clock, queue_limits)
    arrivals = Arrivals(clock)

    def forget(queue_id: str) -> None:
        queues.clear(queue_id, None)
        arrivals.told_all(queue_id)

    async def opened() -> None:
        """Return at once: nothing has to be reached."""

    async def closed() -> None:
        # Where nothing can be written any more, some entries expire earlier, and that is all.
        with suppress(OSError):
            dicts.settle()

    names.register(Family(DICT, "di", forget=dicts.clear))
    names.register(Family(QUEUE, "qu", forget=forget))
    registry = partial(EmbeddedRegistry, names=names, environments=environments)
    return Engines(
        dicts=registry(DICT),
        queues=registry(QUEUE),
        dict_engine=EmbeddedDicts(dicts),
        queue_engine=EmbeddedQueues(queues, arrivals),
        open=opened,
        close=closed,
    )

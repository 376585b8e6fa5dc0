"""
A Dict and a Queue of a running emulator, in the hands of a test.

Keys and values are Python's; they are pickled by the installed SDK, so they are the bytes that user
code would have sent. To look at an entry from here counts as a read of it.
"""

import importlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, MutableMapping
from types import ModuleType
from typing import Any

from modal_emulator.engines.engine import Registry
from modal_emulator.ground.errors import NotFound
from modal_emulator.store.names import Creation
from modal_emulator.world import World

__all__ = ["LocalDict", "LocalQueue"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]
LONGEST_S = 86_400.0


class LocalDict(MutableMapping[Any, Any]):
    """A Dict by its name, used as one of Python's; it is looked up each time."""

    def __init__(self, run: Run, world: Callable[[], World], name: str, environment: str) -> None:
        self._run = run
        self._world = world
        self._named = _Named(name, environment)

    def __repr__(self) -> str:
        """Name it."""
        return f"<Dict {self._named.name!r}>"

    def __getitem__(self, key: Any) -> Any:
        """Return a value."""
        world, data = self._world(), _pickled(key)

        async def get() -> bytes | None:
            return await world.dict_engine.get(await self._id(), data)

        return self._value(key, self._run(get()))

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set an entry; the Dict is made when it is missing."""
        self.update({key: value})

    def __delitem__(self, key: Any) -> None:
        """Take an entry out."""
        self.pop(key)

    def __iter__(self) -> Iterator[Any]:
        """Go through the keys as they are now."""
        return iter([key for key, _ in self._contents()])

    def __len__(self) -> int:
        """Count the entries."""

        async def count() -> int:
            return await self._world().dict_engine.length(await self._id())

        return int(self._run(count()))

    def __contains__(self, key: object) -> bool:
        """Say whether a key is there."""
        data = _pickled(key)

        async def look() -> bool:
            return await self._world().dict_engine.contains(await self._id(), data)

        return bool(self._run(look()))

    def pop(self, key: Any, *default: Any) -> Any:
        """Take an entry out and return its value."""
        data = _pickled(key)

        async def take() -> bytes | None:
            return await self._world().dict_engine.pop(await self._id(), data)

        taken = self._run(take())
        return default[0] if taken is None and default else self._value(key, taken)

    def update(self, entries: Any = (), /, **more: Any) -> None:
        """Set entries, all in one step; the Dict is made when it is missing."""
        pairs = list({**dict(entries), **more}.items())
        data = [(_pickled(key), _pickled(value)) for key, value in pairs]

        async def write() -> None:
            dict_id = await self._id(Creation.CREATE_IF_MISSING)
            await self._world().dict_engine.update(dict_id, data, if_absent=False)

        self._run(write())

    def clear(self) -> None:
        """Take all entries out."""

        async def empty() -> None:
            await self._world().dict_engine.clear(await self._id())

        self._run(empty())

    def exists(self) -> bool:
        """Say whether there is such a Dict."""
        return bool(self._run(self._named.exists(self._world().dicts)))

    def remove(self) -> None:
        """End the Dict with all its entries."""
        self._run(self._named.remove(self._world().dicts))

    def copy(self) -> dict[Any, Any]:
        """Return all entries as they are now; keys must be hashable."""
        return dict(self._contents())

    def _contents(self) -> list[tuple[Any, Any]]:
        async def read() -> list[tuple[bytes, bytes]]:
            found: AsyncIterator[tuple[bytes, bytes]]
            found = self._world().dict_engine.contents(await self._id())
            return [pair async for pair in found]

        return [(_unpickled(key), _unpickled(value)) for key, value in self._run(read())]

    def _value(self, key: Any, data: bytes | None) -> Any:
        if data is None:
            raise KeyError(key)
        return _unpickled(data)

    async def _id(self, creation: Creation = Creation.LOOKUP) -> str:
        return await self._named.find(self._world().dicts, creation)


class LocalQueue:
    """A Queue by its name; without a partition, the default one is meant."""

    def __init__(self, run: Run, world: Callable[[], World], name: str, environment: str) -> None:
        self._run = run
        self._world = world
        self._named = _Named(name, environment)

    def __repr__(self) -> str:
        """Name it."""
        return f"<Queue {self._named.name!r}>"

    def __len__(self) -> int:
        """Count what is in all partitions."""

        async def count() -> int:
            return await self._world().queue_engine.length(await self._id(), None)

        return int(self._run(count()))

    def put(self, *values: Any, partition: str = "", ttl: float = LONGEST_S) -> None:
        """Put values at the end, all in one step; the Queue is made when it is missing."""
        data = [_pickled(value) for value in values]

        async def add() -> None:
            queue_id = await self._id(Creation.CREATE_IF_MISSING)
            await self._world().queue_engine.put(queue_id, partition.encode(), data, ttl)

        self._run(add())

    def items(self, partition: str = "") -> list[Any]:
        """Return what is there, the first first, and leave it."""

        async def look() -> list[tuple[str, bytes]]:
            queue_id = await self._id()
            return await self._world().queue_engine.after(queue_id, partition.encode(), "")

        return [_unpickled(data) for _, data in self._run(look())]

    def drain(self, partition: str = "") -> list[Any]:
        """Take what is there, the first first."""

        async def take() -> list[bytes]:
            engine, queue_id = self._world().queue_engine, await self._id()
            there = await engine.length(queue_id, partition.encode())
            return await engine.take(queue_id, partition.encode(), there) if there else []

        return [_unpickled(data) for data in self._run(take())]

    def clear(self) -> None:
        """Take away what is in all partitions."""

        async def empty() -> None:
            await self._world().queue_engine.clear(await self._id(), None)

        self._run(empty())

    def exists(self) -> bool:
        """Say whether there is such a Queue."""
        return bool(self._run(self._named.exists(self._world().queues)))

    def remove(self) -> None:
        """End the Queue with all that is in it."""
        self._run(self._named.remove(self._world().queues))

    async def _id(self, creation: Creation = Creation.LOOKUP) -> str:
        return await self._named.find(self._world().queues, creation)


class _Named:
    """An object by name and environment, whichever kind the registry is of."""

    def __init__(self, name: str, environment: str) -> None:
        self.name = name
        self._environment = environment

    async def find(self, registry: Registry, creation: Creation) -> str:
        """Return its id."""
        return (await registry.claim(self.name, self._environment, creation))[0].object_id

    async def exists(self, registry: Registry) -> bool:
        """Say whether it is there."""
        try:
            await self.find(registry, Creation.LOOKUP)
        except NotFound:
            return False
        return True

    async def remove(self, registry: Registry) -> None:
        """End it."""
        await registry.delete(await self.find(registry, Creation.LOOKUP))


def _pickled(value: Any) -> bytes:
    data: bytes = _sdk("_serialization").serialize(_synchronizer()._translate_in(value))
    return data


def _unpickled(data: bytes) -> Any:
    # Handles among the values belong to the client that this process has, if it has one.
    client = _sdk("client")._Client._client_from_env
    return _synchronizer()._translate_out(_sdk("_serialization").deserialize(data, client))


def _synchronizer() -> Any:
    return _sdk("_utils.async_utils").synchronizer


def _sdk(name: str) -> ModuleType:
    return importlib.import_module(f"modal.{name}")

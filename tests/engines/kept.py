"""Each engine as a server has it, to be opened and closed and opened again."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import fakeredis
from redis import Redis

from fakes import ManualClock
from modal_emulator.engines.embedded import embedded
from modal_emulator.engines.engine import Engines
from modal_emulator.engines.redis import connect, shared
from modal_emulator.ground.ids import Ids
from modal_emulator.store.dicts import DictLimits
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names
from modal_emulator.store.queues import QueueLimits

__all__ = ["Durable", "Embedded", "Fake", "Kept", "Real", "on_open"]

DICT_LIMITS = DictLimits(value_size=1000, entries_at_once=50, counted=40)
QUEUE_LIMITS = QueueLimits(partitions=4, items=6, item_size=1000, partition_size=3000)


class Kept:
    """One engine; `clock` is moved by the test."""

    lasts = True
    """Whether what is kept outlives the server."""
    is_shared = False

    def __init__(self) -> None:
        self.clock = ManualClock(1_700_000_000.0)
        self._opened = 0
        self.dict_limits, self.queue_limits = DICT_LIMITS, QUEUE_LIMITS

    @asynccontextmanager
    async def open(self, salt: str = "test") -> AsyncIterator[Engines]:
        self._opened += 1  # no id is minted twice
        ledger, ids = Ledger(self.directory()), Ids(seed=self._opened, salt=salt)
        names = Names(ledger, self.clock, ids, user="me")
        environments = Environments(ledger, names, self.clock, ids)
        engines = self.engines(ledger, names, environments, ids)
        try:
            await engines.open()
            yield engines
        finally:
            await engines.close()
            ledger.close()

    def directory(self) -> Path | None:
        return None

    def engines(
        self, ledger: Ledger, names: Names, environments: Environments, ids: Ids
    ) -> Engines:
        return embedded(
            ledger, names, environments, self.clock, self.dict_limits, self.queue_limits
        )


class Embedded(Kept):
    lasts = False

    def __init__(self, _directory: Path | None = None) -> None:
        super().__init__()


class Durable(Kept):
    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def directory(self) -> Path | None:
        return self._directory / "state"


class _Redis(Kept):
    is_shared = True

    def engines(
        self, ledger: Ledger, names: Names, environments: Environments, ids: Ids
    ) -> Engines:
        limits = self.dict_limits, self.queue_limits
        return shared(self.clients(), names, environments, self.clock, ids, *limits)

    def clients(self) -> tuple[Any, Any]:
        raise NotImplementedError


class Fake(_Redis):
    def __init__(self, _directory: Path | None = None) -> None:
        super().__init__()
        self._server = fakeredis.FakeServer()

    def clients(self) -> tuple[Any, Any]:
        return tuple(fakeredis.FakeAsyncRedis(server=self._server) for _ in range(2))


class Real(_Redis):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        with Redis.from_url(url) as client:
            client.flushall()

    def clients(self) -> tuple[Any, Any]:
        return connect(self._url)


def on_open(test: Callable[[Kept, Engines], Awaitable[None]]) -> Callable[[Kept], None]:
    """Run the test's coroutine with an open engine."""

    @functools.wraps(test)
    def run(kept: Kept) -> None:
        async def opened() -> None:
            async with kept.open() as engines:
                await test(kept, engines)

        asyncio.run(opened())

    # Pytest looks at the signature of what is wrapped, which has one parameter more.
    del run.__wrapped__  # type: ignore[attr-defined]
    return run

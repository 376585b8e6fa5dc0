"""The same Dicts and Queues on every engine, and what a restart of the server leaves of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes import ManualClock
from modal_emulator.engines.embedded import embedded
from modal_emulator.engines.engine import Engines
from modal_emulator.ground.ids import Ids
from modal_emulator.store.dicts import DictLimits
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names
from modal_emulator.store.queues import QueueLimits

DICT_LIMITS = DictLimits(value_size=1000, entries_at_once=50, counted=40)
QUEUE_LIMITS = QueueLimits(partitions=4, items=6, item_size=1000, partition_size=3000)


@dataclass
class Kept:
    """One engine, opened again as often as wanted; `clock` is moved by the test."""

    directory: Path | None
    clock: ManualClock = field(default_factory=ManualClock)
    dict_limits: DictLimits = DICT_LIMITS
    queue_limits: QueueLimits = QUEUE_LIMITS

    @property
    def lasts(self) -> bool:
        """Whether what is kept outlives the server."""
        return self.directory is not None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Engines]:
        ledger = Ledger(self.directory)
        ids = Ids(seed=7, salt="test")
        names = Names(ledger, self.clock, ids, user="me")
        environments = Environments(ledger, names, self.clock, ids)
        engines = embedded(
            ledger, names, environments, self.clock, self.dict_limits, self.queue_limits
        )
        try:
            await engines.open()
            yield engines
        finally:
            await engines.close()
            ledger.close()


@pytest.fixture(params=["embedded", "durable"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    return Kept(tmp_path / "state" if request.param == "durable" else None)

"""
Ten thousand entries whose seven days are over, and the steps of a Dict's engine by themselves.

The peers are what a test would do with a fake of Redis: freezegun sets its time on, and fakeredis
finds that its keys have expired. One of them is given freezegun's start for nothing. What has
expired is not removed by the jump, but by what is done later, some entries at a time.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

import fakeredis
import pytest
from freezegun import freeze_time
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.engines.embedded import embedded
from modal_emulator.engines.engine import DictEngine, Engines
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.names import Names

ENTRIES = 10_000
WEEK = 7 * 86_400
START = datetime(2026, 1, 1)
EXPIRY = f"expiry of {ENTRIES:,} entries by a jump of seven days"
STEPS = 100
STEP = f"{STEPS} times put and get of one entry, in the engine"
ROUNDS = 10


def key(number: int) -> bytes:
    return b"key-%d" % number


class Engine:
    """The emulator's own engine on a loop and a clock of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._loop = asyncio.new_event_loop()
        self.clock = VirtualClock()
        self.clock.set(START.timestamp())
        names = Names(ledger, self.clock, Ids(seed=1))
        environments = Environments(ledger, names, self.clock, Ids(seed=1))
        self.engines: Engines = embedded(ledger, names, environments, self.clock)
        self.dicts: DictEngine = self.engines.dict_engine

    def fill(self) -> None:
        entries = [(key(number), b"value") for number in range(ENTRIES)]
        self.run(self.dicts.update("di-1", entries, if_absent=False))

    def jump(self) -> int:
        async def jump() -> int:
            await self.clock.travel(self.clock.now() + WEEK)
            return await self.dicts.length("di-1")

        return int(self.run(jump()))

    def steps(self, count: int) -> None:
        async def steps() -> None:
            for number in range(count):
                await self.dicts.update("di-1", [(key(number), b"value")], if_absent=False)
                await self.dicts.get("di-1", key(number))

        self.run(steps())

    def run(self, step):  # type: ignore[no-untyped-def]
        return self._loop.run_until_complete(step)

    def close(self) -> None:
        self.run(self.engines.close())
        self._loop.close()
        self._ledger.close()


@pytest.fixture(params=["in memory", "on disk"])
def engine(request: pytest.FixtureRequest, tmp_path) -> Iterator[Engine]:  # type: ignore[no-untyped-def]
    engine = Engine(Ledger(None if request.param == "in memory" else tmp_path))
    yield engine
    engine.close()


def fill_fake(client: fakeredis.FakeRedis) -> None:
    pipeline = client.pipeline()
    for number in range(ENTRIES):
        pipeline.set(key(number), b"value", ex=WEEK)
    pipeline.execute()


@pytest.mark.benchmark(group=EXPIRY)
def bench_expiry(benchmark: BenchmarkFixture, engine: Engine) -> None:
    left = benchmark.pedantic(engine.jump, setup=engine.fill, rounds=ROUNDS, warmup_rounds=1)
    assert left == 0


@pytest.mark.benchmark(group=EXPIRY)
def bench_peer_freezegun_and_fakeredis(benchmark: BenchmarkFixture) -> None:
    client = fakeredis.FakeRedis()

    def fill() -> None:
        with freeze_time(START):
            fill_fake(client)

    def jump() -> int:
        with freeze_time(START + timedelta(seconds=WEEK + 1)):
            return int(client.dbsize())

    assert benchmark.pedantic(jump, setup=fill, rounds=ROUNDS, warmup_rounds=1) == 0


@pytest.mark.benchmark(group=EXPIRY)
def bench_peer_fakeredis_in_frozen_time(benchmark: BenchmarkFixture) -> None:
    client = fakeredis.FakeRedis()
    with freeze_time(START) as frozen:

        def jump() -> int:
            frozen.tick(WEEK + 1)
            return int(client.dbsize())

        left = benchmark.pedantic(
            jump, setup=lambda: fill_fake(client), rounds=ROUNDS, warmup_rounds=1
        )
        assert left == 0


@pytest.mark.benchmark(group=STEP)
def bench_put_and_get(benchmark: BenchmarkFixture, engine: Engine) -> None:
    engine.steps(10)
    benchmark.pedantic(engine.steps, (STEPS,), rounds=100, warmup_rounds=5)


@pytest.mark.benchmark(group=STEP)
def bench_peer_put_and_get_fakeredis(benchmark: BenchmarkFixture) -> None:
    client = fakeredis.FakeRedis()

    def steps(count: int) -> None:
        for number in range(count):
            client.set(key(number), b"value", ex=WEEK)
            client.get(key(number))

    benchmark.pedantic(steps, (STEPS,), rounds=100, warmup_rounds=5)

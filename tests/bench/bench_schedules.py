"""
A year of schedules: what it costs to know what is due when, and to go through it.

The peer of an iteration is cronsim's own over the same year. "Without user code" is a `Timeline` on
a clock that travels, whose firings are handed to a function that counts them.
"""

import asyncio
from datetime import datetime, timedelta, timezone
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.schedule.cron import cron_times
from modal_emulator.schedule.timeline import Timeline
from modal_emulator.store.schedules import Cron

START = datetime(2025, 1, 1, tzinfo=timezone.utc)
YEAR = 365 * 86400.0
OFTEN = "*/5 * * * *"
ROUNDS = {"rounds": 5, "warmup_rounds": 1}
iterating = pytest.mark.benchmark(group="times of a year of `*/5 * * * *`")
firing = pytest.mark.benchmark(group="a year fired, without user code")


def by_cronsim(zone: timezone | ZoneInfo) -> int:
    first = START.astimezone(zone) - timedelta(seconds=1)
    end = START + timedelta(seconds=YEAR)
    return sum(1 for _ in takewhile(lambda t: t < end, CronSim(OFTEN, first)))


def by_us(zone: str) -> int:
    start = START.timestamp()
    due = cron_times(Cron(OFTEN, zone), start - 1)
    return sum(1 for _ in takewhile(lambda t: t < start + YEAR, due))


def fire(crons: list[Cron]) -> int:
    """Travel through a year; return how often something was due."""

    async def travel() -> int:
        clock, count = VirtualClock(), 0
        start = START.timestamp()
        clock.set(start - 1)

        def due(key: str, at: float) -> None:
            nonlocal count
            assert at == clock.now()
            count += 1

        timeline = Timeline(clock, due)
        for number, cron in enumerate(crons):
            timeline.put(f"{number:03}", (f"{number:03}",), cron_times(cron, start - 1))
        timeline.start()
        await clock.travel(start + YEAR - 1)
        timeline.close()
        return count

    return asyncio.run(travel())


@iterating
def bench_peer_cronsim(benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(by_cronsim, (timezone.utc,), **ROUNDS) == 105_120


@iterating
def bench_peer_cronsim_in_a_zone(benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(by_cronsim, (ZoneInfo("Europe/Oslo"),), **ROUNDS) == 105_120


@iterating
def bench_iteration(benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(by_us, ("UTC",), **ROUNDS) == 105_120


@iterating
def bench_iteration_in_a_zone(benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(by_us, ("Europe/Oslo",), **ROUNDS) == 105_120


@firing
def bench_peer_cronsim_names_one_every_five_minutes(benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(by_cronsim, (timezone.utc,), **ROUNDS) == 105_120


@firing
def bench_one_every_five_minutes(benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(fire, ([Cron(OFTEN)],), **ROUNDS) == 105_120


@firing
def bench_a_hundred_daily(benchmark: BenchmarkFixture) -> None:
    crons = [Cron(f"{number % 60} {number % 24} * * *") for number in range(100)]
    assert benchmark.pedantic(fire, (crons,), **ROUNDS) == 36_500

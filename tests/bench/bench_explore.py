"""
How many schedules a second are explored in containers of threads, by the steps of a program.

Two containers do so many steps each, which all concern the other: a commit of the same file every
time. Beside each stands the same program run as a plain test runs it, without any order held.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import modal
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator import explore
from modal_emulator.emulator import Running
from modal_emulator.pytest_plugin.session import open_session

pytestmark = pytest.mark.benchmark(group="schedules")

SCHEDULES = 10

app = modal.App("bench-explore", include_source=False)
volume = modal.Volume.from_name("bench-explore", create_if_missing=True)


@app.function(volumes={"/data": volume}, serialized=True)
def write(who: int, steps: int) -> None:
    for step in range(steps):
        Path("/data/file").write_text(f"{who} {step}")
        volume.commit()


def program(steps: int) -> None:
    calls = [write.spawn(who, steps) for who in range(2)]
    for call in calls:
        call.get()


def note(benchmark: BenchmarkFixture, count: int) -> None:
    stats: Any = benchmark.stats
    if stats is not None:  # where benchmarks are switched off there are none
        benchmark.extra_info["schedules a second"] = round(count / stats.stats.median, 1)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """One for all, as handles of volumes know the server that they met first."""
    with open_session({"runtime": "inline"}) as session, session.test() as running:
        yield running


@pytest.mark.parametrize("steps", [2, 4, 6, 8, 10])
def bench_schedules(benchmark: BenchmarkFixture, emulator: Running, steps: int) -> None:
    def run() -> None:
        explore(
            lambda: program(steps),
            app=app,
            schedules=SCHEDULES,
            mode="random",
            containers="new",
            seed=1,
            running=emulator,
        )

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    note(benchmark, SCHEDULES)


@pytest.mark.parametrize("steps", [2, 10])
def bench_peer_plain_runs(benchmark: BenchmarkFixture, emulator: Running, steps: int) -> None:
    """The same program, a fresh World each time, as threads happen to run."""

    def run() -> None:
        for _ in range(SCHEDULES):
            emulator.reset()
            with app.run():
                program(steps)

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    note(benchmark, SCHEDULES)

"""A week of a Cron that fires each five minutes: a real function that does nothing, in threads."""

import modal
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running

GROUP = "a week of `*/5 * * * *`, a real no-op function in a thread (2,016 runs)"
START = 1_704_067_200.0
RUNS = 7 * 24 * 12

app = modal.App("week")


@app.function(schedule=modal.Cron("*/5 * * * *"), scaledown_window=600)
def warm() -> None: ...


cold_app = modal.App("cold-week")


@cold_app.function(schedule=modal.Cron("*/5 * * * *"))
def cold() -> None: ...


other = modal.App("calls")


@other.function()
def call() -> None: ...


pytestmark = pytest.mark.modal(runtime="inline")


@pytest.mark.benchmark(group=GROUP)
def bench_container_that_stays_warm(benchmark: BenchmarkFixture, modal_emulator: Running) -> None:
    modal_emulator.clock.freeze(START)
    app.deploy()
    fired = benchmark.pedantic(modal_emulator.clock.advance, kwargs={"days": 7}, rounds=1)
    assert len(fired) == RUNS


@pytest.mark.benchmark(group=GROUP)
def bench_container_that_is_made_anew(benchmark: BenchmarkFixture, modal_emulator: Running) -> None:
    modal_emulator.clock.freeze(START)
    cold_app.deploy()
    fired = benchmark.pedantic(modal_emulator.clock.advance, kwargs={"days": 7}, rounds=1)
    assert len(fired) == RUNS


@pytest.mark.benchmark(group=GROUP)
def bench_peer_as_many_calls_by_hand(benchmark: BenchmarkFixture, modal_emulator: Running) -> None:
    def by_hand() -> None:
        for _ in range(RUNS):
            call.remote()

    with other.run():
        call.remote()
        benchmark.pedantic(by_hand, rounds=1)

"""
Showing the emulator's time to user code, beside freezegun.

freezegun looks through all modules when it starts; the emulator's way changes Python's functions
where they are made.
"""

import datetime
import time

import freezegun
import modal  # noqa: F401  (its modules are looked through as well, as in every test of an app)
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.ground.clockface import show

T = 1_803_866_400.0
START = "the time is frozen and let go"
MOVE = "frozen time is moved"
LOOK = "code asks for the time while it is frozen"


class Hand:
    """An instant that is moved."""

    at: float | None = T

    def __call__(self) -> float | None:
        return self.at


def time_now() -> float:
    """Look the function up each time: freezegun puts another there."""
    return time.time()


@pytest.mark.benchmark(group=START)
def bench_peer_freezegun_starts_and_stops(benchmark: BenchmarkFixture) -> None:
    def freeze() -> None:
        with freezegun.freeze_time("2027-03-01 02:00:00"):
            pass

    benchmark.pedantic(freeze, rounds=50, warmup_rounds=2)


@pytest.mark.benchmark(group=START)
def bench_show_and_end(benchmark: BenchmarkFixture) -> None:
    hand = Hand()
    benchmark.pedantic(lambda: show(hand)(), rounds=1000, warmup_rounds=10)


@pytest.mark.benchmark(group=MOVE)
def bench_peer_freezegun_moves(benchmark: BenchmarkFixture) -> None:
    to = datetime.datetime(2027, 3, 2)
    with freezegun.freeze_time("2027-03-01 02:00:00") as frozen:
        benchmark.pedantic(lambda: frozen.move_to(to), rounds=1000, warmup_rounds=10)


@pytest.mark.benchmark(group=MOVE)
def bench_move(benchmark: BenchmarkFixture) -> None:
    hand = Hand()

    def move() -> None:
        hand.at = T + 86_400

    end = show(hand)
    benchmark.pedantic(move, rounds=1000, warmup_rounds=10)
    end()


@pytest.mark.benchmark(group=LOOK)
def bench_peer_freezegun_tells(benchmark: BenchmarkFixture) -> None:
    with freezegun.freeze_time("2027-03-01 02:00:00"):
        benchmark.pedantic(time_now, rounds=2000, warmup_rounds=10)


@pytest.mark.benchmark(group=LOOK)
def bench_tell(benchmark: BenchmarkFixture) -> None:
    end = show(Hand())
    benchmark.pedantic(time_now, rounds=2000, warmup_rounds=10)
    end()

"""
A commit of ten changed files: it should not matter how many others lie beside them.

The peer is the same call to the same warm container without the commit.
"""

from collections.abc import Iterator

import plain_app
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running

GROUP = "call that changes ten files"
pytestmark = [pytest.mark.benchmark(group=GROUP), pytest.mark.timeout(1800)]
ROUNDS = {"rounds": 100, "warmup_rounds": 20}


@pytest.fixture
def app(modal_emulator: Running) -> Iterator[Running]:
    with plain_app.app.run():
        yield modal_emulator


def fill(emulator: Running, count: int) -> None:
    """Write the files, and wait until the container that wrote them is gone for good."""
    plain_app.fill.remote(count)
    while not emulator.journal("container.exit"):
        plain_app.change_ten.remote(True)


def bench_peer_without_a_commit(benchmark: BenchmarkFixture, app: Running) -> None:
    fill(app, 1000)
    benchmark.pedantic(plain_app.change_ten.remote, (False,), **ROUNDS)


def bench_commit_among_1k(benchmark: BenchmarkFixture, app: Running) -> None:
    fill(app, 1000)
    benchmark.pedantic(plain_app.change_ten.remote, (True,), **ROUNDS)


def bench_commit_among_100k(benchmark: BenchmarkFixture, app: Running) -> None:
    fill(app, 100_000)
    benchmark.pedantic(plain_app.change_ten.remote, (True,), **ROUNDS)

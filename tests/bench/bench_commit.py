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


@pytest.fixture
def app(modal_emulator: Running) -> Iterator[None]:
    with plain_app.app.run():
        yield


def filled(count: int) -> None:
    plain_app.fill.remote(count)
    plain_app.change_ten.remote(True)


def bench_peer_without_a_commit(benchmark: BenchmarkFixture, app: None) -> None:
    filled(1000)
    benchmark.pedantic(plain_app.change_ten.remote, (False,), rounds=30)


def bench_commit_among_1k(benchmark: BenchmarkFixture, app: None) -> None:
    filled(1000)
    benchmark.pedantic(plain_app.change_ten.remote, (True,), rounds=30)


def bench_commit_among_100k(benchmark: BenchmarkFixture, app: None) -> None:
    filled(100_000)
    benchmark.pedantic(plain_app.change_ten.remote, (True,), rounds=30)

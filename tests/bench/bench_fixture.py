"""What a test pays for a server of its own, before and after it."""

import plain_app
import pytest
from constant import constant_server
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running, running
from modal_emulator.pytest_plugin.session import open_session

GROUP = "a server of one's own"
pytestmark = pytest.mark.benchmark(group=GROUP)


def bench_reset(benchmark: BenchmarkFixture) -> None:
    """The fixture's way: the server stays, the World is new."""
    with running() as emulator:
        benchmark.pedantic(emulator.reset, rounds=200, warmup_rounds=5)


def bench_all_that_surrounds_a_test(benchmark: BenchmarkFixture) -> None:
    """The same with the environment, the guard and the client that is lent."""
    with open_session({}) as session:

        def test() -> None:
            with session.test():
                pass

        test()
        benchmark.pedantic(test, rounds=200)


def bench_reset_after_a_test_with_a_container(
    benchmark: BenchmarkFixture, modal_emulator: Running
) -> None:
    def test() -> None:
        with plain_app.app.run():
            plain_app.warm.remote(1)

    benchmark.pedantic(modal_emulator.reset, setup=test, rounds=10)


def bench_start_and_stop(benchmark: BenchmarkFixture) -> None:
    def start_and_stop() -> None:
        with running():
            pass

    benchmark.pedantic(start_and_stop, rounds=10)


def bench_peer_start_and_stop_of_a_bare_grpclib_server(benchmark: BenchmarkFixture) -> None:
    def start_and_stop() -> None:
        with constant_server(0):
            pass

    benchmark.pedantic(start_and_stop, rounds=50)

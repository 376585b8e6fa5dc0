"""A call of a function whose containers are threads: against one call of the SDK, and a thread."""

import threading
from collections.abc import Iterator

import plain_app
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running

WARM = "inline function call, warm container"
COLD = "inline function call, new container with a volume"

pytestmark = pytest.mark.modal(runtime="inline")


@pytest.fixture
def app(modal_emulator: Running) -> Iterator[None]:
    with plain_app.app.run():
        yield


@pytest.mark.benchmark(group=WARM)
def bench_warm(benchmark: BenchmarkFixture, app: None) -> None:
    plain_app.warm.remote(0)
    assert benchmark(plain_app.warm.remote, 1) == 2


@pytest.mark.benchmark(group=WARM)
def bench_peer_blocking_call_of_the_sdk(benchmark: BenchmarkFixture, app: None) -> None:
    plain_app.volume.hydrate()
    benchmark(lambda: plain_app.volume.listdir("/"))


@pytest.mark.benchmark(group=COLD)
def bench_cold(benchmark: BenchmarkFixture, app: None) -> None:
    plain_app.look.remote()  # the image and the mounts are made once
    assert benchmark.pedantic(plain_app.look.remote, rounds=50) == 0


@pytest.mark.benchmark(group=COLD)
@pytest.mark.modal(runtime="process")
def bench_peer_process(benchmark: BenchmarkFixture, app: None) -> None:
    plain_app.look.remote()
    assert benchmark.pedantic(plain_app.look.remote, rounds=30) == 0


@pytest.mark.benchmark(group=COLD)
def bench_peer_blocking_call_on_a_new_thread(benchmark: BenchmarkFixture, app: None) -> None:
    def run() -> None:
        thread = threading.Thread(target=lambda: plain_app.volume.listdir("/"))
        thread.start()
        thread.join()

    benchmark.pedantic(run, rounds=50)

"""A call of a function: by a warm container, and by one that is made for it."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import plain_app
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running

WARM = "function call, warm container"
COLD = "function call, new container"


@pytest.fixture
def app(modal_emulator: Running) -> Iterator[None]:
    with plain_app.app.run():
        yield


@pytest.mark.benchmark(group=WARM)
def bench_warm(benchmark: BenchmarkFixture, app: None) -> None:
    plain_app.warm.remote(0)
    assert benchmark(plain_app.warm.remote, 1) == 2


def add_one(number: int) -> int:
    return number + 1


@pytest.mark.benchmark(group=WARM)
def bench_peer_process_pool(benchmark: BenchmarkFixture) -> None:
    with ProcessPoolExecutor(1) as pool:
        pool.submit(add_one, 0).result()
        assert benchmark(lambda: pool.submit(add_one, 1).result()) == 2


@pytest.mark.benchmark(group=COLD)
def bench_cold(benchmark: BenchmarkFixture, app: None) -> None:
    plain_app.cold.remote(0)  # the zygote and the image are made once
    assert benchmark.pedantic(plain_app.cold.remote, (1,), rounds=30) == 2


@pytest.mark.benchmark(group=COLD)
def bench_peer_new_python_that_imports_the_entrypoint(benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, "-c", "import modal._container_entrypoint"]
    benchmark.pedantic(subprocess.run, (command,), {"check": True}, rounds=5)

"""
What storage tests cost when there are many in one process, and whether the last cost more.

Each has a fresh World, runs an app, writes and commits in one container and reads in a second.
Beside the time, each round notes how the first tenth compares with the last, and what the process
took: `extra_info` in the JSON.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import modal
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.pytest_plugin.session import open_session

pytestmark = pytest.mark.benchmark(group="storage tests")

NUMBER = Path("/data/number")


def make_test() -> Callable[[Any, int], None]:
    """Return a test with an app of its own: handles know the server that they met first."""
    app = modal.App("bench-storage-tests")
    volume = modal.Volume.from_name("bench-storage-tests", create_if_missing=True)

    @app.function(volumes={"/data": volume}, serialized=True)
    def write(number: int) -> None:
        NUMBER.write_text(str(number))
        volume.commit()

    @app.function(volumes={"/data": volume}, serialized=True)
    def read() -> int:
        return int(NUMBER.read_text())

    def test(session: Any, number: int) -> None:
        """Do what a test does between the fixture's beginning and its end."""
        with session.test(), app.run():
            write.remote(number)
            assert read.remote() == number

    return test


def taken() -> dict[str, int]:
    """Return what this process holds: memory in MiB, threads and open files."""
    status = Path("/proc/self/status").read_text()
    values = dict(line.split(":", 1) for line in status.splitlines())
    return {
        "MiB": int(values["VmRSS"].split()[0]) // 1024,
        "threads": int(values["Threads"]),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - as many as there are
    }


@pytest.mark.parametrize(
    ("runtime", "tests"), [("inline", 100), ("inline", 1000), ("process", 100)]
)
def bench_storage_tests(benchmark: BenchmarkFixture, runtime: str, tests: int) -> None:
    times: list[float] = []
    storage_test = make_test()

    def run() -> None:
        for number in range(tests):
            began = time.perf_counter()
            storage_test(session, number)
            times.append(time.perf_counter() - began)

    with open_session({"runtime": runtime}) as session:
        storage_test(session, 0)  # what is imported and started once
        before = taken()
        benchmark.pedantic(run, rounds=1)
        after = taken()
    tenth = tests // 10
    benchmark.extra_info.update(
        first_ms=round(median(times[:tenth]) * 1000, 1),
        last_ms=round(median(times[-tenth:]) * 1000, 1),
        grown={name: after[name] - before[name] for name in before},
    )


@pytest.mark.parametrize("tests", [100, 1000])
def bench_peer_without_modal(benchmark: BenchmarkFixture, tests: int, tmp_path: Path) -> None:
    """The same bytes in a directory, as with a mock."""

    def run() -> None:
        for number in range(tests):
            (tmp_path / "number").write_text(str(number))
            assert int((tmp_path / "number").read_text()) == number

    benchmark.pedantic(run, rounds=3)

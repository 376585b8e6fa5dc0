"""
Bytes to and from a volume by the SDK, and the same bytes by `cp` and `shutil`.

Every round sends bytes that the server has not seen: it keeps content by digest, and would
otherwise be asked for nothing.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import modal
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running

LARGE = 64 * 2**20
SMALL, FILES = 1000, 100
ROUNDS = 7
MEMORY = Path("/dev/shm")
UP_LARGE, UP_SMALL = "upload of 64 MiB", f"upload of {FILES} files of 1 kB"
DOWN_LARGE, DOWN_SMALL = "download of 64 MiB", f"download of {FILES} files of 1 kB"
both_versions = pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])


class Sources:
    """New files for each round, and a new place for each copy."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count()

    def target(self) -> Path:
        return self._directory / f"target-{next(self._numbers)}"

    def large(self) -> Path:
        path = self._directory / "large"
        path.write_bytes(os.urandom(LARGE))
        return path

    def small(self) -> Path:
        directory = self._directory / f"small-{next(self._numbers)}"
        directory.mkdir()
        for number in range(FILES):
            (directory / str(number)).write_bytes(os.urandom(SMALL))
        return directory


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    """Make files where the emulator keeps its own: in memory, where that can be had."""
    where = MEMORY if MEMORY.is_dir() else tmp_path
    with tempfile.TemporaryDirectory(dir=where) as directory:
        yield Sources(Path(directory))


def fresh(sources: Callable[[], Path], target: Callable[[], Path]) -> Callable[[], object]:
    return lambda: ((sources(), target()), {})


def cp(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)


def upload(volume: modal.Volume) -> Callable[[Path, Path], None]:
    def put(source: Path, target: Path) -> None:
        with volume.batch_upload() as batch:
            send = batch.put_directory if source.is_dir() else batch.put_file
            send(source, target.name)

    return put


@pytest.mark.benchmark(group=UP_LARGE)
@both_versions
def bench_upload_large(
    benchmark: BenchmarkFixture, modal_emulator: Running, sources: Sources, version: int
) -> None:
    volume = modal.Volume.from_name("bench", create_if_missing=True, version=version).hydrate()
    setup = fresh(sources.large, sources.target)
    benchmark.pedantic(upload(volume), setup=setup, rounds=ROUNDS)


@pytest.mark.benchmark(group=UP_LARGE)
def bench_peer_cp_large_up(benchmark: BenchmarkFixture, sources: Sources) -> None:
    benchmark.pedantic(cp, setup=fresh(sources.large, sources.target), rounds=ROUNDS)


@pytest.mark.benchmark(group=UP_LARGE)
def bench_peer_shutil_large_up(benchmark: BenchmarkFixture, sources: Sources) -> None:
    setup = fresh(sources.large, sources.target)
    benchmark.pedantic(shutil.copyfile, setup=setup, rounds=ROUNDS)


@pytest.mark.benchmark(group=UP_SMALL)
@both_versions
def bench_upload_small(
    benchmark: BenchmarkFixture, modal_emulator: Running, sources: Sources, version: int
) -> None:
    volume = modal.Volume.from_name("bench", create_if_missing=True, version=version).hydrate()
    setup = fresh(sources.small, sources.target)
    benchmark.pedantic(upload(volume), setup=setup, rounds=ROUNDS)


@pytest.mark.benchmark(group=UP_SMALL)
def bench_peer_cp_small_up(benchmark: BenchmarkFixture, sources: Sources) -> None:
    benchmark.pedantic(cp, setup=fresh(sources.small, sources.target), rounds=ROUNDS)


@pytest.mark.benchmark(group=UP_SMALL)
def bench_peer_shutil_small_up(benchmark: BenchmarkFixture, sources: Sources) -> None:
    setup = fresh(sources.small, sources.target)
    benchmark.pedantic(shutil.copytree, setup=setup, rounds=ROUNDS)


@pytest.mark.benchmark(group=DOWN_LARGE)
@both_versions
def bench_download_large(
    benchmark: BenchmarkFixture, modal_emulator: Running, sources: Sources, version: int
) -> None:
    volume = modal.Volume.from_name("bench", create_if_missing=True, version=version).hydrate()
    source = sources.large()
    upload(volume)(source, Path("large"))

    def download(target: Path) -> None:
        with target.open("wb") as file:
            volume.read_file_into_fileobj("large", file)

    benchmark.pedantic(download, setup=lambda: ((sources.target(),), {}), rounds=ROUNDS)


@pytest.mark.benchmark(group=DOWN_LARGE)
def bench_peer_cp_large_down(benchmark: BenchmarkFixture, sources: Sources) -> None:
    benchmark.pedantic(cp, setup=fresh(sources.large, sources.target), rounds=ROUNDS)


@pytest.mark.benchmark(group=DOWN_SMALL)
@both_versions
def bench_download_small(
    benchmark: BenchmarkFixture, modal_emulator: Running, sources: Sources, version: int
) -> None:
    volume = modal.Volume.from_name("bench", create_if_missing=True, version=version).hydrate()
    upload(volume)(sources.small(), Path("small"))

    def download(target: Path) -> None:
        target.mkdir()
        for number in range(FILES):
            data = b"".join(volume.read_file(f"small/{number}"))
            (target / str(number)).write_bytes(data)

    benchmark.pedantic(download, setup=lambda: ((sources.target(),), {}), rounds=ROUNDS)


@pytest.mark.benchmark(group=DOWN_SMALL)
def bench_peer_cp_small_down(benchmark: BenchmarkFixture, sources: Sources) -> None:
    benchmark.pedantic(cp, setup=fresh(sources.small, sources.target), rounds=ROUNDS)

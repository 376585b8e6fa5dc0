"""
Bytes to and from a volume by the SDK; the same by `cp`, and against servers that do less.

Every round sends bytes that the server has not seen: it keeps content by digest, and would
otherwise be asked for nothing.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import modal
import pytest
import upload_peers
from modal.client import Client
from modal_proto import api_pb2
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


@contextmanager
def peer(serving: AbstractContextManager[str], version: int) -> Iterator[modal.Volume]:
    """Give a volume of this version on another server."""
    token = "ak-peer", "as-peer"
    with serving as url, Client(url, api_pb2.CLIENT_TYPE_CLIENT, token) as client:
        yield modal.Volume.from_name(
            "bench", create_if_missing=True, version=version, client=client
        ).hydrate()


@pytest.fixture
def volume(modal_emulator: Running, version: int) -> modal.Volume:
    return modal.Volume.from_name("bench", create_if_missing=True, version=version).hydrate()


@pytest.fixture
def discarding(version: int) -> Iterator[modal.Volume]:
    with peer(upload_peers.discarding(), version) as volume:
        yield volume


@pytest.fixture
def remembering(version: int) -> Iterator[modal.Volume]:
    with peer(upload_peers.remembering(), version) as volume:
        yield volume


def run(
    benchmark: BenchmarkFixture,
    group: str,
    version: int,
    work: Callable[[Path, Path], None],
    source: Callable[[], Path],
    sources: Sources,
) -> None:
    benchmark.group = f"{group}, v{version}"
    benchmark.pedantic(work, setup=fresh(source, sources.target), rounds=ROUNDS)


# -------------------------------------------------------------------- up, large


@both_versions
def bench_upload_large(
    benchmark: BenchmarkFixture, volume: modal.Volume, sources: Sources, version: int
) -> None:
    run(benchmark, UP_LARGE, version, upload(volume), sources.large, sources)


@both_versions
def bench_peer_discarding_server_large_up(
    benchmark: BenchmarkFixture, discarding: modal.Volume, sources: Sources, version: int
) -> None:
    run(benchmark, UP_LARGE, version, upload(discarding), sources.large, sources)


@both_versions
def bench_peer_in_memory_server_large_up(
    benchmark: BenchmarkFixture, remembering: modal.Volume, sources: Sources, version: int
) -> None:
    run(benchmark, UP_LARGE, version, upload(remembering), sources.large, sources)


@both_versions
def bench_peer_cp_large_up(benchmark: BenchmarkFixture, sources: Sources, version: int) -> None:
    run(benchmark, UP_LARGE, version, cp, sources.large, sources)


# -------------------------------------------------------------------- up, small


@both_versions
def bench_upload_small(
    benchmark: BenchmarkFixture, volume: modal.Volume, sources: Sources, version: int
) -> None:
    run(benchmark, UP_SMALL, version, upload(volume), sources.small, sources)


@both_versions
def bench_peer_discarding_server_small_up(
    benchmark: BenchmarkFixture, discarding: modal.Volume, sources: Sources, version: int
) -> None:
    run(benchmark, UP_SMALL, version, upload(discarding), sources.small, sources)


@both_versions
def bench_peer_in_memory_server_small_up(
    benchmark: BenchmarkFixture, remembering: modal.Volume, sources: Sources, version: int
) -> None:
    run(benchmark, UP_SMALL, version, upload(remembering), sources.small, sources)


@both_versions
def bench_peer_cp_small_up(benchmark: BenchmarkFixture, sources: Sources, version: int) -> None:
    run(benchmark, UP_SMALL, version, cp, sources.small, sources)


# -------------------------------------------------------------------- down
# New SDKs read both versions by one protocol, so one version says it for both.


def read_large(volume: modal.Volume, target: Path) -> None:
    with target.open("wb") as file:
        volume.read_file_into_fileobj("large", file)


def read_small(volume: modal.Volume, target: Path) -> None:
    target.mkdir()
    for number in range(FILES):
        data = b"".join(volume.read_file(f"small/{number}"))
        (target / str(number)).write_bytes(data)


version_2 = pytest.mark.parametrize("version", [2], ids=["v2"])


def run_down(
    benchmark: BenchmarkFixture,
    volume: modal.Volume,
    sources: Sources,
    read: Callable[[modal.Volume, Path], None],
) -> None:
    benchmark.pedantic(read, setup=lambda: ((volume, sources.target()), {}), rounds=ROUNDS)


@pytest.mark.benchmark(group=DOWN_LARGE)
@version_2
def bench_download_large(
    benchmark: BenchmarkFixture, volume: modal.Volume, sources: Sources
) -> None:
    upload(volume)(sources.large(), Path("large"))
    run_down(benchmark, volume, sources, read_large)


@pytest.mark.benchmark(group=DOWN_LARGE)
@version_2
def bench_peer_in_memory_server_large_down(
    benchmark: BenchmarkFixture, remembering: modal.Volume, sources: Sources
) -> None:
    upload(remembering)(sources.large(), Path("large"))
    run_down(benchmark, remembering, sources, read_large)


@pytest.mark.benchmark(group=DOWN_LARGE)
def bench_peer_cp_large_down(benchmark: BenchmarkFixture, sources: Sources) -> None:
    benchmark.pedantic(cp, setup=fresh(sources.large, sources.target), rounds=ROUNDS)


@pytest.mark.benchmark(group=DOWN_SMALL)
@version_2
def bench_download_small(
    benchmark: BenchmarkFixture, volume: modal.Volume, sources: Sources
) -> None:
    upload(volume)(sources.small(), Path("small"))
    run_down(benchmark, volume, sources, read_small)


@pytest.mark.benchmark(group=DOWN_SMALL)
@version_2
def bench_peer_in_memory_server_small_down(
    benchmark: BenchmarkFixture, remembering: modal.Volume, sources: Sources
) -> None:
    upload(remembering)(sources.small(), Path("small"))
    run_down(benchmark, remembering, sources, read_small)


@pytest.mark.benchmark(group=DOWN_SMALL)
def bench_peer_cp_small_down(benchmark: BenchmarkFixture, sources: Sources) -> None:
    benchmark.pedantic(cp, setup=fresh(sources.small, sources.target), rounds=ROUNDS)

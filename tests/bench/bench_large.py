"""
A volume of half a million files, and a commit of one file of a GiB.

The peers are `find`, which names as many files on disk with size and time, and `cp` of the file.
"""

import importlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import modal
import plain_app
import pytest
from bench_rpc import client_of
from modal.client import Client
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.emulator import Running, Settings, running

FILES = 499_000
GIB = 1 << 30
MEMORY = Path("/dev/shm")
MANY, LARGE = "volume of 500,000 files", "commit of a new file of 1 GiB"
# What commits in the background would be done before it is measured.
SETTINGS = Settings(background_commit_interval=3600)
pytestmark = pytest.mark.timeout(1800)


@contextmanager
def emulator(directory: Path | None = None) -> Iterator[tuple[Running, Client]]:
    with (
        running(directory, settings=SETTINGS) as emulator,
        client_of(emulator.server_url, emulator.environment) as client,
    ):
        yield emulator, client


@contextmanager
def app_on(client: Client) -> Iterator[None]:
    """Run the app on a server of our own: its objects know only the first that they met."""
    importlib.reload(plain_app)
    try:
        with plain_app.app.run(client=client):
            yield
    finally:
        importlib.reload(plain_app)


def volume_of(client: Client) -> modal.Volume:
    return modal.Volume.from_name("bench", create_if_missing=True, client=client).hydrate()


@pytest.fixture(scope="module")
def many() -> Iterator[Path]:
    """Return the state directory of a server with such a volume, which has ended."""
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as directory:
        with emulator(Path(directory)) as (server, client):
            with app_on(client):
                plain_app.fill.remote(FILES)
            server.settle()
        yield Path(directory)


@pytest.mark.benchmark(group=MANY)
def bench_peer_find(benchmark: BenchmarkFixture, many: Path) -> None:
    command = ["find", str(many / "volumes"), "-printf", "%p %y %s %T@\\n"]
    benchmark.pedantic(subprocess.run, (command,), {"capture_output": True}, rounds=3)


@pytest.mark.benchmark(group=MANY)
def bench_start_of_the_server_and_first_look(benchmark: BenchmarkFixture, many: Path) -> None:
    def look() -> None:
        with emulator(many) as (_, client):
            assert volume_of(client).listdir("/")

    benchmark.pedantic(look, rounds=3)


@pytest.mark.benchmark(group=MANY)
def bench_listing_of_all(benchmark: BenchmarkFixture, many: Path) -> None:
    with emulator(many) as (_, client):
        volume = volume_of(client)
        listed = benchmark.pedantic(volume.listdir, ("/",), {"recursive": True}, rounds=3)
    assert len(listed) > FILES


@pytest.mark.benchmark(group=MANY)
def bench_upload_of_one_file(benchmark: BenchmarkFixture, many: Path) -> None:
    with emulator(many) as (_, client):
        volume = volume_of(client)

        def put() -> None:
            with volume.batch_upload(force=True) as batch:
                batch.put_file(__file__, "0/0")

        benchmark.pedantic(put, rounds=20, warmup_rounds=1)


@pytest.mark.benchmark(group=LARGE)
def bench_commit_large(benchmark: BenchmarkFixture) -> None:
    with emulator() as (_, client), app_on(client):

        def write() -> tuple[tuple[int], dict[str, int]]:
            plain_app.large.remote(GIB)
            return (0,), {}

        benchmark.pedantic(plain_app.large.remote, setup=write, rounds=5)


@pytest.mark.benchmark(group=LARGE)
def bench_peer_cp_of_the_file(benchmark: BenchmarkFixture) -> None:
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as directory:
        source, target = Path(directory, "source"), Path(directory, "target")
        plain_app.write(source, GIB)

        def clear() -> tuple[tuple[list[str]], dict[str, int]]:
            target.unlink(missing_ok=True)
            return (["cp", str(source), str(target)],), {}

        benchmark.pedantic(subprocess.run, setup=clear, rounds=5)

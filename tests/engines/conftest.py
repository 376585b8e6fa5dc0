"""The same Dicts and Queues on every engine, and what a restart of the server leaves of them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.kept import Durable, Embedded, Fake, Kept, Real

ENGINES = ("embedded", "durable", "fakeredis", "redis-server")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a `redis-server` on a socket of its own that writes nothing to the disk."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server here: apt-get install redis-server")
    directory = tmp_path_factory.mktemp("redis")
    socket = directory / "s"
    options = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"]
    log = directory / "log"
    server = subprocess.Popen([program, *map(str, options)], cwd=directory, stdout=log.open("wb"))
    try:
        while b"eady to accept connections" not in log.read_bytes():
            assert server.poll() is None, log.read_text()
        yield f"unix://{socket}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(params=ENGINES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "redis-server":
        return Real(request.getfixturevalue("redis_url"))
    return {"embedded": Embedded, "durable": Durable, "fakeredis": Fake}[request.param](tmp_path)

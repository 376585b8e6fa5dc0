"""
Where the clauses meet the emulator: the one file that knows both sides.

Elsewhere the target `emulator` is found by its entry point; here its background commits come more
often, so that no clause can lean on their absence.
"""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from modal_contracts.target import OpenTarget
from modal_emulator.pytest_plugin.target import EmulatorTarget, open_target

pytest_plugins = ["modal_contracts.plugin"]

OFTEN = {"background_commit_seconds": 1.0}
TARGETS: dict[str, dict[str, Any]] = {
    "emulator": OFTEN,
    "emulator-docker": OFTEN | {"runtime": "docker", "docker_network": "host"},
    "emulator-inline": OFTEN | {"runtime": "inline"},
    "emulator-portable": OFTEN | {"runtime": "inline", "isolation": "plain"},
    "emulator-process": OFTEN | {"runtime": "process"},
}


@contextmanager
def _with_redis(server: Callable[[], AbstractContextManager[str]]) -> Iterator[EmulatorTarget]:
    options: Mapping[str, Any] = TARGETS["emulator-inline"]
    with server() as url, open_target({**options, "redis": url}) as target:
        yield target


@contextmanager
def _redis_server() -> Iterator[str]:
    """Run a `redis-server` on a socket of its own that writes nothing to the disk."""
    program = shutil.which("redis-server")
    if program is None:
        raise pytest.UsageError("there is no redis-server here: apt-get install redis-server")
    with tempfile.TemporaryDirectory() as directory:
        socket = f"{directory}/socket"
        options = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"]
        log = Path(directory, "log")
        with log.open("wb") as output:
            server = subprocess.Popen([program, *options], cwd=directory, stdout=output)
        try:
            while b"eady to accept connections" not in log.read_bytes():
                assert server.poll() is None, log.read_text()
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait()


@contextmanager
def _fakeredis() -> Iterator[str]:
    """Run fakeredis as a server in a thread."""
    from fakeredis import TcpFakeServer

    server = TcpFakeServer(("127.0.0.1", 0))
    server.daemon_threads = True
    server.block_on_close = False  # who listens stays connected until the emulator has gone
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


REDIS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "emulator-fakeredis": _fakeredis,
    "emulator-redis": _redis_server,
}
"""By target: what runs the server that keeps Dicts and Queues, and gives its URL."""


def pytest_modal_contracts_target(name: str) -> OpenTarget | None:
    """Open the emulator of this checkout."""
    if name in REDIS:
        return partial(_with_redis, REDIS[name])
    return partial(open_target, TARGETS[name]) if name in TARGETS else None

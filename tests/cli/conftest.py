"""What the tests of the command line share: the command itself, as a process."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modal_emulator.emulator import running


@dataclass(frozen=True)
class Server:
    """A `modal-emulator serve` that has said that it is ready."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        return {**surroundings(), **self.ready["env"], "MODAL_CONFIG_PATH": os.devnull}

    def kill(self) -> None:
        """Kill the server; returns when it is gone, and its locks with it."""
        # Not what stands before it: that would be gone first.
        os.kill(self.ready["pid"], signal.SIGKILL)
        self.process.wait()

    def stop(self, number: int = 15) -> tuple[int, str]:
        """Send a signal; return the exit code and what was said on stderr."""
        self.process.send_signal(number)
        _, error = self.process.communicate(timeout=240)
        return self.process.returncode, error


def surroundings() -> dict[str, str]:
    """Return the environment of a developer without a Modal account."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, str]]:
    """The environment of commands for one server, in this process, that a module's tests share."""
    with running(transport="wire") as emulator:
        yield {**surroundings(), **emulator.environment, "MODAL_CONFIG_PATH": os.devnull}


@pytest.fixture
def run(tmp_path: Path, warm: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command to its end."""

    def run(
        *arguments: object, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(warm / "modal-emulator"), *map(str, arguments)],
            env={**surroundings(), **(env or {})},
            cwd=options.pop("cwd", tmp_path),
            capture_output=True,
            text=True,
            timeout=240,  # some start Python several times
            check=False,
            **options,
        )

    return run


@pytest.fixture
def serve(tmp_path: Path, warm: Path) -> Iterator[Callable[..., Server]]:
    """Start `serve --json`, once or several times; whatever runs at the end is killed."""
    servers: list[Server] = []

    def serve(*arguments: object) -> Server:
        process = subprocess.Popen(
            [str(warm / "modal-emulator"), "serve", "--json", *map(str, arguments)],
            env=surroundings(),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.communicate()[1])
        servers.append(Server(process, json.loads(line)))
        return servers[-1]

    yield serve
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()

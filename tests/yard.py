"""
Scripted containers for tests: a backend, volumes as a store would hand them out, and what a
container said.
"""

import asyncio
import inspect
import os
import socket
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from modal_emulator.runtime.backend import (
    Command,
    Container,
    Execution,
    Exit,
    Mount,
    Plan,
    View,
)
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.probe import refusal
from modal_emulator.runtime.process import ProcessBackend

__all__ = ["PATIENCE", "Executed", "Run", "Volume", "Yard", "require"]

SCRIPTED = Path(__file__).parent / "runtime"
PATIENCE = 120.0
"""The machine's seconds for what takes milliseconds where nothing else goes on."""


@dataclass
class Volume:
    """Directories as a store would hand them out."""

    place: Path
    layers: list[Path] = field(default_factory=list)
    count: int = 0

    def layer(self, **files: str) -> "Volume":
        """Put a layer with these files (`a_txt` names `a.txt`) on top."""
        path = self.place / f"layer-{len(self.layers)}"
        path.mkdir(parents=True)
        for name, text in files.items():
            (path / name.replace("_", ".")).write_text(text)
        self.layers.insert(0, path)
        return self

    def view(self, **options: Any) -> View:
        """Return a fresh view of all layers."""
        self.count += 1
        changes, scratch = (self.place / f"{word}-{self.count}" for word in ("changes", "scratch"))
        changes.mkdir(parents=True)
        scratch.mkdir()
        return View(tuple(self.layers), changes, scratch, **options)


@dataclass
class Run:
    """A container that runs a script, and what it said."""

    container: Container
    ended: "asyncio.Future[Exit]"
    pieces: list[tuple[int, bytes]]
    heard: asyncio.Event

    def said(self, number: int = 1) -> str:
        """Return what was written so far."""
        return b"".join(piece for file, piece in self.pieces if file == number).decode()

    async def says(self, text: str) -> str:
        """Wait until `text` was printed; return all that was."""
        while text not in self.said():
            assert not self.ended.done(), self.said() + self.said(2)
            self.heard.clear()
            await asyncio.wait(
                (asyncio.ensure_future(self.heard.wait()), self.ended),
                timeout=20,
                return_when=asyncio.FIRST_COMPLETED,
            )
        return self.said()

    async def execute(self, *arguments: str, **options: Any) -> "Executed":
        """Run a command in the container beside what runs there."""
        executed = Executed()
        command = Command(
            arguments,
            options.pop("environment", {}),
            options.pop("working_directory", ""),
            options.pop("terminal", None),
            executed.hear,
            executed.ended.set_result,
        )
        executed.execution = await self.container.execute(command)
        return executed

    async def end(self) -> Exit:
        """Wait for the end."""
        return await asyncio.wait_for(asyncio.shield(self.ended), PATIENCE)

    async def printed(self) -> str:
        """Wait for a clean end and return what was printed."""
        ended = await self.end()
        assert ended == Exit(0), f"{ended}\n{self.said()}\n{self.said(2)}"
        return self.said().strip()


class Executed:
    """A command in a container, and what it said."""

    execution: Execution

    def __init__(self) -> None:
        self.ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.said = {1: b"", 2: b""}
        self._heard = asyncio.Event()

    def hear(self, number: int, piece: bytes) -> None:
        """Keep what was written."""
        assert not self.ended.done(), "output after the end"
        self.said[number] += piece
        self._heard.set()

    async def says(self, text: bytes) -> bytes:
        """Wait until `text` was written; return all that was."""
        while text not in self.said[1]:
            self._heard.clear()
            await asyncio.wait_for(self._heard.wait(), PATIENCE)
        return self.said[1]

    async def end(self) -> Exit:
        """Wait for the end."""
        return await asyncio.wait_for(asyncio.shield(self.ended), PATIENCE)


class Yard:
    """Starts scripted containers in a directory."""

    def __init__(
        self, directory: Path, isolation: Isolation | None, entrypoint: str = "scripted"
    ) -> None:
        self.directory = directory
        self.isolation = isolation
        path = f"{SCRIPTED}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        environ = {**os.environ, "PYTHONPATH": path}
        self.backend = ProcessBackend(
            directory / "backend", isolation=isolation, entrypoint=entrypoint, environ=environ
        )
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "server"))
        self._listener.listen()
        self._listener.setblocking(False)
        self._count = 0

    def volume(self, name: str = "volume") -> Volume:
        """Make an empty volume."""
        return Volume(self.directory / name)

    async def run(
        self,
        script: str | Callable[[], None],
        *mounts: Mount,
        environment: dict[str, str] | None = None,
        files: tuple[Path, ...] = (),
        working_directory: str = "/root",
        on_sync: Callable[[str], Awaitable[None]] | None = None,
        bare: bool = False,
        **more: Any,
    ) -> Run:
        """Start a container that runs the script, or the body of the function, or nothing."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Exit] = loop.create_future()
        pieces: list[tuple[int, bytes]] = []
        heard = asyncio.Event()

        def on_output(number: int, piece: bytes) -> None:
            pieces.append((number, piece))
            heard.set()

        self._count += 1
        plan = Plan(
            container_id=f"ta-{self._count}",
            arguments=source(script).encode(),
            environment=environment or {"PATH": os.environ["PATH"], "HOME": "/root"},
            mounts=mounts,
            files=files,
            working_directory=working_directory,
            socket=None if bare else self.directory / "server",
            bare=bare,
            on_output=on_output,
            on_sync=on_sync or _refuse_to_sync,
            on_exit=ended.set_result,
            **more,
        )
        container = await self.backend.start(plan)
        return Run(container, ended, pieces, heard)

    async def meet(self) -> socket.socket:
        """Wait until a script calls `gate()`; closing the answer lets it go on."""
        loop = asyncio.get_running_loop()
        end, _ = await asyncio.wait_for(loop.sock_accept(self._listener), PATIENCE)
        return end

    async def close(self) -> None:
        """End everything."""
        await self.backend.close()

    def __del__(self) -> None:
        self._listener.close()


async def _refuse_to_sync(volume_id: str) -> None:
    raise AssertionError(f"nothing was to sync {volume_id}")


def source(script: str | Callable[[], None]) -> str:
    """Return a function's body as a script; tests read better with code that is code."""
    if isinstance(script, str):
        return textwrap.dedent(script)
    lines = inspect.getsource(script).splitlines()
    first = next(number for number, line in enumerate(lines) if line.rstrip().endswith(":"))
    return textwrap.dedent("\n".join(lines[first + 1 :]))


def require(isolation: Isolation, directory: Path) -> None:
    """Skip where the machine itself refuses an isolation."""
    if why := _refusal(isolation, directory.parent):
        pytest.skip(f"this machine allows no {isolation.value} containers: {why}")


@lru_cache
def _refusal(isolation: Isolation, directory: Path) -> str:
    return "" if isolation is Isolation.PLAIN else refusal(isolation, directory)

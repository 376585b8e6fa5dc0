"""Thread containers for tests: each runs a function of the test, in this very process."""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modal_emulator.runtime.backend import Container, Exit, Mount, Plan
from modal_emulator.runtime.inline.backend import InlineBackend
from modal_emulator.runtime.inline.here import Here
from modal_emulator.runtime.inline.place import Places
from modal_emulator.runtime.inline.program import Program
from modal_emulator.runtime.sight import Seen
from yard import PATIENCE, Volume

__all__ = ["Stage", "ThreadRun", "ThreadYard"]


class Stage:
    """Where a test meets the function that runs in a container; both wait for the other."""

    def __init__(self) -> None:
        self._arrived, self._free = threading.Semaphore(0), threading.Semaphore(0)

    def stop(self) -> None:
        """In the container: wait until the test lets it go on."""
        self._arrived.release()
        assert self._free.acquire(timeout=PATIENCE)

    async def reached(self) -> None:
        """In the test: wait until the function stops."""
        assert await asyncio.to_thread(self._arrived.acquire, timeout=PATIENCE)

    def go_on(self) -> None:
        """In the test: let the function go on."""
        self._free.release()


@dataclass
class ThreadRun:
    """A container that runs a function, and what came of it."""

    container: Container
    ended: "asyncio.Future[Exit]"
    program: "_Calling"
    pieces: list[tuple[int, bytes]]

    def said(self, number: int = 1) -> str:
        """Return what was written so far."""
        return b"".join(piece for file, piece in self.pieces if file == number).decode()

    async def end(self) -> Exit:
        """Wait for the end."""
        return await asyncio.wait_for(asyncio.shield(self.ended), PATIENCE)

    async def result(self) -> Any:
        """Wait for a clean end and return what the function returned."""
        ended = await self.end()
        assert ended == Exit(0), f"{ended}\n{self.said()}\n{self.said(2)}"
        return self.program.result


class ThreadYard:
    """Starts thread containers in a directory."""

    def __init__(self, directory: Path, places: Places) -> None:
        self.directory = directory
        self.backend = InlineBackend(directory / "backend", places, self._program)
        self._functions: dict[str, Callable[[], Any]] = {}
        self._programs: dict[str, _Calling] = {}

    def volume(self, name: str = "volume") -> Volume:
        """Make an empty volume."""
        return Volume(self.directory / name)

    async def run(
        self,
        function: Callable[[], Any],
        *mounts: Mount,
        environment: dict[str, str] | None = None,
        files: tuple[Path, ...] = (),
        working_directory: str = "/root",
        sight: Seen | None = None,
        container_id: str = "",
    ) -> ThreadRun:
        """Start a container that calls the function once."""
        ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        pieces: list[tuple[int, bytes]] = []
        container_id = container_id or f"ta-{len(self._functions)}"
        self._functions[container_id] = function
        plan = Plan(
            container_id=container_id,
            arguments=b"",
            environment=environment or {"PATH": "/usr/bin:/bin", "HOME": "/root"},
            mounts=mounts,
            files=files,
            working_directory=working_directory,
            socket=None,
            on_output=lambda number, piece: pieces.append((number, piece)),
            on_sync=_refuse_to_sync,
            on_exit=ended.set_result,
            sight=sight,
        )
        container = await self.backend.start(plan)
        return ThreadRun(container, ended, self._programs[container_id], pieces)

    async def call(self, function: Callable[[], Any], *mounts: Mount, **options: Any) -> Any:
        """Run a function to its end and return its result."""
        return await (await self.run(function, *mounts, **options)).result()

    async def close(self) -> None:
        """End everything."""
        await self.backend.close()

    def _program(self, plan: Plan, here: Here) -> Program:
        program = _Calling(self._functions[plan.container_id])
        self._programs[plan.container_id] = program
        return program


class _Calling:
    """A program that calls one function."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._thread = 0
        self.result: Any = None

    def run(self) -> int:
        self._thread = threading.get_ident()
        self.result = self._function()
        return 0

    def interrupt(self) -> None:
        self._raise(KeyboardInterrupt)

    def is_deaf(self) -> bool:
        return False

    def abandon(self) -> None:
        self._raise(SystemExit)

    def _raise(self, kind: type[BaseException]) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._thread), ctypes.py_object(kind)
        )


async def _refuse_to_sync(volume_id: str) -> None:
    raise AssertionError(f"nothing was to sync {volume_id}")

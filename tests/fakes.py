"""Stand-ins for what the scheduler is handed: a clock that tests move, and empty containers."""

import asyncio
from dataclasses import dataclass, field

from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.runtime.backend import Exit, OpenFiles, View
from modal_emulator.schedule.calls import Input
from modal_emulator.schedule.placing import Place
from modal_emulator.schedule.worker import Worker
from modal_emulator.store.apps import Function

__all__ = ["FakeContainer", "FakeLauncher", "ManualClock", "settle"]


class ManualClock(VirtualClock):
    """Stands still until it is moved, and takes clients along."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        super().__init__()
        self.set(start)
        self.settle_with(settle)

    def lived(self) -> float:
        return self.now()

    async def live(self, seconds: float) -> None:
        await self.sleep(seconds)

    async def advance(self, seconds: float) -> None:
        await self.travel(self.now() + seconds)


async def settle(turns: int = 20) -> None:
    """Let everything that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)


@dataclass
class FakeContainer:
    """Records what is asked of it; leaves when told."""

    container_id: str
    worker: Worker | None = None
    held: bool = False
    did: list[str] = field(default_factory=list)
    seen: View | None = None
    obeys: bool = True

    can_pause: bool = True
    outlives_itself: bool = False
    asleep_until: float | None = None

    async def detach(self, volume_id: str, *, pausing: bool = False) -> None:
        self.did.append("pause" if pausing else "detach")
        if self.held:
            raise OpenFiles

    async def attach(self, volume_id: str, view: View) -> None:
        self.did.append("attach")
        self.seen = view

    stored: frozenset[int] = frozenset()

    async def collect(self, volume_id: str) -> frozenset[int]:
        self.did.append("collect")
        return self.stored

    async def terminate(self) -> None:
        self.did.append("terminate")
        if self.worker is not None and self.obeys:
            self.worker.pool.exited(self.worker, Exit(0))

    async def kill(self) -> None:
        self.did.append("kill")
        if self.worker is not None and not self.worker.gone.is_set():
            self.worker.pool.exited(self.worker, Exit(None, 9))


class FakeLauncher:
    """Makes fake containers, or fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.launched: list[Worker] = []
        self.error = error
        self.told: list[str] = []
        self.is_deployed = False

    def place(self, function: Function) -> Place | None:
        return Place("us-east-1", "aws")

    async def launch(self, worker: Worker) -> FakeContainer:
        self.launched.append(worker)
        if self.error is not None:
            raise self.error
        return FakeContainer(worker.container_id, worker)

    def failure(self, worker: Worker, ended: Exit) -> bytes:
        return f"died {ended.code} {ended.signal}".encode()

    def timed_out(self, lost: Input, timeout: float) -> bytes:
        return f"timed out after {timeout:g}".encode()

    def started_late(self, worker: Worker, timeout: float) -> bytes:
        return f"not started within {timeout:g}".encode()

    def keeps_trying(self, worker: Worker) -> bool:
        return self.is_deployed

    def preempted(self, worker: Worker) -> None:
        self.told.append(worker.container_id)

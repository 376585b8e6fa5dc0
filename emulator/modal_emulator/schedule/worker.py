"""
One container as its pool sees it, who makes it, and what can end it before its time.

`Ending` names the reasons; `RESTARTS` says after which of them an unfinished input begins again
in another container instead of failing. Nothing here acts: who takes what is decided in `pool`,
how an end is brought about in `endings`.
"""

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from modal_emulator.ground.clock import Timer
from modal_emulator.runtime.backend import Container, Exit
from modal_emulator.schedule.calls import Input
from modal_emulator.schedule.placing import Place
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.store.apps import Function

if TYPE_CHECKING:
    from modal_emulator.schedule.pool import Pool

__all__ = ["RESTARTS", "WORDLESS", "Ending", "Launcher", "Worker"]


class Ending(Enum):
    """Why the server ends a container that would have gone on."""

    PREEMPTED = "preempted"
    STOPPED = "stopped"  # `modal container stop`
    TIMED_OUT = "timed out"  # one of its inputs
    OUT_OF_MEMORY = "out of memory"
    DEAF = "deaf"  # it went on with an input that was ended
    KILLED = "killed"
    REGION_DOWN = "its region went down"
    CLOSED = "closed"  # its app ended, or a new version took over


RESTARTS = frozenset(
    {
        # "the Function will be restarted with the same input" (modal-semantics 5 [observed]).
        Ending.PREEMPTED,
        # "cancelled and rescheduled on other containers" (SDK:cli/container.py).
        Ending.STOPPED,
        Ending.REGION_DOWN,
        # The other inputs of the container, as after a cancellation [guess].
        Ending.TIMED_OUT,
        Ending.DEAF,
    }
)

WORDLESS = frozenset({Ending.KILLED, Ending.OUT_OF_MEMORY, Ending.REGION_DOWN})


@dataclass(slots=True)
class Worker:
    """One container as its pool sees it."""

    container_id: str
    pool: "Pool"
    enqueued_at: float
    place: Place | None = None
    started_at: float = 0.0
    container: Container | None = None
    inputs: set[str] = field(default_factory=set)
    asking: bool = False
    lingering: int = 0
    """How many more inputs it waits for to fill its batch."""
    ready: bool = False
    """It has asked for an input once: user code was imported and entered."""
    leaving: bool = False
    """It takes no further input."""
    keeps_machine_time: bool = False
    """Its code goes on seeing that when the emulator's clock leaves it."""
    skew: float = 0.0
    """How many seconds its clock is ahead of the emulator's."""
    ending: Ending | None = None
    failure: bytes = b""
    """What it reported when user code could not be imported or entered."""
    cancelled: list[str] = field(default_factory=list)
    """Inputs to be cancelled that it was not told of yet."""
    doomed: dict[str, asyncio.Event] = field(default_factory=dict)
    """Inputs that were ended and that it may work on still; each is set when it does no longer."""
    told_at: float = 0.0
    """When it was told of the last of them, by the machine's seconds."""
    cancels: bool = False
    """An input was cancelled while it worked on it."""
    startup: Timer | None = None
    """Runs out when it takes too long to ask for an input."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    pulse: Pulse = field(default_factory=Pulse)

    def came_up(self) -> None:
        """It asks for inputs, or is gone."""
        if self.startup is not None:
            self.startup.cancel()


class Launcher(Protocol):
    """Makes the containers of a pool."""

    def place(self, function: Function) -> Place | None:
        """Return where the next container of a function is to be; None while that is nowhere."""
        ...

    async def launch(self, worker: "Worker") -> Container:
        """Start a container for this worker; its exit is told to `worker.pool.exited`."""
        ...

    def failure(self, worker: "Worker", ended: Exit) -> bytes:
        """Return a serialised GenericResult saying that the container died."""
        ...

    def timed_out(self, lost: Input, timeout: float) -> bytes:
        """Tell the user that the input took too long, and return that as a GenericResult."""
        ...

    def started_late(self, worker: "Worker", timeout: float) -> bytes:
        """Tell the user that a container took too long to start, and return it, serialised."""
        ...

    def keeps_trying(self, worker: "Worker") -> bool:
        """Say whether inputs wait on when this container could not start."""
        ...

    def preempted(self, worker: "Worker") -> None:
        """Tell the user that the worker's container is being preempted."""
        ...

"""
The test's own side of a schedule, on a thread: apps run, the program in them, the apps' end.

The thread waits between the three until the schedule says so. What the program raises is kept for
whoever asks; nothing here knows of steps.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from enum import Enum
from typing import Any

from modal_emulator.ground.clock import monotonic
from modal_emulator.runtime.inline.here import CLIENT, Client
from modal_emulator.runtime.stacks import frames

__all__ = ["Phase", "ProgramThread"]

_LOOK = 0.05  # of the machine's seconds


class Phase(Enum):
    """How far the thread has come."""

    OPENING = "opening"
    """Apps begin, and what is to be there first is made."""
    OPENED = "opened"
    RUNNING = "running"
    DONE = "done"
    """The program has returned, or failed."""
    CLOSING = "closing"
    """The apps end."""
    OVER = "over"


class ProgramThread:
    """Runs apps, setup and program on a thread of its own."""

    def __init__(
        self,
        program: Callable[[], Any],
        apps: Sequence[Any],
        setup: Callable[[], Any] | None,
        on_phase: Callable[[], None],
    ) -> None:
        """`on_phase` is called on the thread whenever it has come to another phase."""
        self._program = program
        self._apps = apps
        self._setup = setup
        self._on_phase = on_phase
        self._may_go_on = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, name="modal program", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = Client()
        self.phase = Phase.OPENING
        self.failure: BaseException | None = None
        """What the program raised."""
        self.broken: BaseException | None = None
        """What went wrong around it: in apps or setup."""

    @property
    def is_at_work(self) -> bool:
        """Whether it does something of its own now, or waits for what is asked of the emulator."""
        return self.phase in (Phase.OPENING, Phase.RUNNING, Phase.CLOSING)

    @property
    def is_awake(self) -> bool:
        """Whether tasks of an asynchronous program go on, though others of them wait."""
        if (loop := self._loop) is None or loop.is_closed():
            return False
        frame = frames().get(self._thread.ident or 0)
        sleeps = frame is not None and frame.f_code.co_name == "select"
        return not sleeps or bool(getattr(loop, "_ready", ()))

    def start(self) -> None:
        """Open the apps; it then waits in OPENED."""
        self._thread.start()

    def go_on(self) -> None:
        """Let it leave OPENED or DONE."""
        self.phase = {Phase.OPENED: Phase.RUNNING, Phase.DONE: Phase.CLOSING}[self.phase]
        self._may_go_on.release()

    def part(self, timeout: float) -> bool:
        """Let it come to its end, wherever it waits, and wait for that; say whether it came."""
        self._may_go_on.release(2)
        ends = monotonic() + timeout
        while self._thread.is_alive() and monotonic() < ends:
            if self.phase in (Phase.OPENING, Phase.RUNNING):
                self._client.break_off()  # such as a get from a Queue that stays empty
            self._thread.join(_LOOK)
        return not self._thread.is_alive()

    def _work(self) -> None:
        CLIENT.set(self._client)
        try:
            with ExitStack() as stack:
                for app in self._apps:
                    stack.enter_context(app.run())
                if self._setup is not None:
                    self._call(self._setup)
                self._reach(Phase.OPENED)
                self._may_go_on.acquire()
                try:
                    self._call(self._program)
                except BaseException as error:
                    self.failure = error
                self._reach(Phase.DONE)
                self._may_go_on.acquire()
        except BaseException as error:
            self.broken = error
        finally:
            self._reach(Phase.OVER)

    def _reach(self, phase: Phase) -> None:
        self.phase = phase
        self._on_phase()

    def _call(self, function: Callable[[], Any]) -> None:
        value = function()
        if inspect.iscoroutine(value):
            asyncio.run(self._await(value))

    async def _await(self, work: Coroutine[Any, Any, Any]) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await work
        finally:
            self._loop = None

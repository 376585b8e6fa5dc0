"""
What containers do with files, seen by the server: it makes the file steps of a World pass `Steps`.

Containers tell of them from threads, or from processes by their backend; here they come onto the
event loop in their order, and get what only the server knows: whose call it is, and which version
of the volume the container sees.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from contextvars import Context

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.ground.steps import FILE_STEPS, Kind, Moment, Step
from modal_emulator.runtime.sight import Attention
from modal_emulator.schedule.steps import Steps

__all__ = ["Eyesight", "Look"]

Complete = Callable[[Step], Step]
"""Adds to a step what only the server knows of who does it; called on the event loop."""

_PIECE = 0.05  # seconds; a thread that is to be broken off meets that between two waits
_QUIET = frozenset({*FILE_STEPS, Kind.RUN})


class Eyesight:
    """Sees the files of all containers of one World."""

    def __init__(self, steps: Steps, journal: Journal, *, watches: bool) -> None:
        self._steps = steps
        self._watches = watches
        self.epoch = 0
        """Grows when a container hears of others: at its other steps, and at commits."""
        steps.listen(self._stepped)
        journal.listen(self._happened)

    @property
    def attention(self) -> Attention:
        """How much is to be seen; from any thread."""
        return Attention.HOLD if self._steps.gated else Attention.NOTE

    def look(self, complete: Complete) -> "Look | None":
        """Return what sees one container that is to start on this event loop, if anything does."""
        if not self._watches:
            return None
        return Look(self, self._steps, complete, asyncio.get_running_loop())

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` when `attention` may have changed."""
        self._steps.on_change(listener)

    def _stepped(self, step: Step, _error: Exception | None) -> None:
        if step.kind not in _QUIET:
            self.epoch += 1

    def _happened(self, event: Event) -> None:
        if event.kind == "volume.commit":
            self.epoch += 1


class Look:
    """Sees one container's files, as `Sight` says."""

    def __init__(
        self,
        eyesight: Eyesight,
        steps: Steps,
        complete: Complete,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._eyesight = eyesight
        self._steps = steps
        self._complete = complete
        self._loop = loop
        self._home = threading.get_ident()
        self._heard: deque[tuple[Step, OSError | None]] = deque()
        self._is_coming = self._is_over = False
        self._held: set[asyncio.Task[None]] = set()

    @property
    def attention(self) -> Attention:
        """How much is to be seen now."""
        return self._eyesight.attention

    @property
    def epoch(self) -> int:
        """Until when a step is no news."""
        return self._eyesight.epoch

    def note(self, step: Step, error: OSError | None) -> None:
        """From any thread: hear of a step that is over."""
        self._heard.append((step, error))
        if not self._is_coming:
            self._is_coming = True
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self.drain, context=Context())

    def hold(self, step: Step, moment: Moment, error: OSError | None = None) -> None:
        """
        From any thread: return when the step may begin, or go on after it is over.

        Raises:
            Exception: the step is to fail with it; of our own errors OSError is made.
        """
        if threading.get_ident() == self._home:  # it would wait for itself
            if moment is Moment.AFTER:
                self.note(step, error)
            return
        holding = self.arrive(step, moment, error)
        try:
            held = Context().run(asyncio.run_coroutine_threadsafe, holding, self._loop)
        except RuntimeError:  # the loop is closed
            holding.close()
            return
        try:
            _wait(held)
        except EmulatorError as failure:
            raise OSError(str(failure)) from failure
        except CancelledError:
            pass  # the container has ended, or all has: nobody holds it any more
        finally:
            held.cancel()  # the thread was broken off

    async def arrive(self, step: Step, moment: Moment, error: OSError | None) -> None:
        """On the loop: as `hold`, but what a gate raises comes as it is."""
        self.drain()
        task = asyncio.current_task()
        if self._is_over or task is None:
            return
        step = self._complete(step)
        if moment is Moment.AFTER:
            self._steps.note(step, error)
        self._held.add(task)
        try:
            await self._steps.arrive(step, moment)
        finally:
            self._held.discard(task)

    def drain(self) -> None:
        """On the loop: pass on what was heard."""
        self._is_coming = False
        while self._heard:
            step, error = self._heard.popleft()
            self._steps.note(self._complete(step), error)

    def close(self) -> None:
        """On the loop: the container has ended; nothing of it is held any more."""
        self.drain()
        self._is_over = True
        for task in tuple(self._held):
            task.cancel()


def _wait(held: "Future[None]") -> None:
    while True:
        try:
            return held.result(_PIECE)
        except NotYet:
            if held.done():  # a gate has raised it
                raise

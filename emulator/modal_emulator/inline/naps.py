"""
Sleeping on the emulator's clock, for code in containers of threads.

While that clock is the machine's, code sleeps as ever. Else a sleep lies among all that waits on
the clock, and a container all of whose inputs sleep so is at rest: the clock may go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from contextvars import Context
from functools import wraps
from typing import Any, TypeVar

from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.runtime.abroad import Abroad
from modal_emulator.runtime.inline.here import here
from modal_emulator.runtime.replacing import wrap_one
from modal_emulator.schedule.settling import Settling

__all__ = ["Naps", "nap_in_tasks"]

T = TypeVar("T")


class Naps:
    """The sleeps of one container's code."""

    def __init__(
        self,
        container_id: str,
        clock: VirtualClock,
        settling: Settling,
        loop: asyncio.AbstractEventLoop,
        home: asyncio.AbstractEventLoop,
        stopped: Callable[[], int],
        awaited_by: Callable[[object], int],
        dozing: Callable[[], list[object] | None],
    ) -> None:
        """
        They lie on `loop`, the emulator's; user code's own one is `home`.

        How many inputs go no further says `stopped` while the thread that asks sleeps, and
        `awaited_by` while a task of their own does. A web function's app runs in tasks and threads
        that nobody knows: its input rests while one of them does, and `dozing` lists those.
        """
        self._container_id = container_id
        self._clock = clock
        self._settling = settling
        self._loop = loop
        self._home = home
        self._stopped = stopped
        self._awaited_by = awaited_by
        self._dozing = dozing

    @property
    def are_due(self) -> bool:
        """Whether a sleep is not the machine's affair now."""
        return self._clock.piece is not None and not self._loop.is_closed()

    def is_at_home(self) -> bool:
        """Say whether a task of user code asks."""
        return asyncio.get_running_loop() is self._home

    def sleep(self, seconds: float, look: float) -> None:
        """Sleep on the emulator's clock; an interrupt is met within `look` seconds."""
        nap = Abroad(self._loop, self._lying(seconds, self._stopped()))
        try:
            nap.begin()
            while not nap.wait(look):
                pass
            with suppress(asyncio.CancelledError):  # the emulator is gone
                nap.result()
        finally:
            nap.end()

    async def lie_down(self, seconds: float) -> None:
        """Sleep on the emulator's clock, in a task of user code."""
        inputs = self._awaited_by(asyncio.current_task())
        await asyncio.wrap_future(self._begin(seconds, inputs))

    async def waiting(self, coming: Awaitable[T]) -> T:
        """Return what a client of user code sends; until then its input is at rest."""
        if not self.are_due:
            return await coming
        rest = self._begin(None, 0)
        try:
            return await coming
        finally:
            rest.cancel()

    def _begin(self, seconds: float | None, inputs: int) -> "Future[None]":
        lie = self._lying(seconds, inputs)
        return Context().run(asyncio.run_coroutine_threadsafe, lie(), self._loop)

    def _lying(self, seconds: float | None, inputs: int) -> Callable[[], Coroutine[Any, Any, None]]:
        dozing = None if inputs else self._dozing()

        async def lie() -> None:
            # One that a thread of the user's own takes says nothing of the inputs.
            with ExitStack() as resting:
                for _ in range(inputs):
                    resting.enter_context(self._settling.waits(self._container_id))
                if dozing is not None:
                    resting.enter_context(self._doze(dozing))
                await (asyncio.Future() if seconds is None else self._clock.sleep(seconds))

        return lie

    @contextmanager
    def _doze(self, dozing: list[object]) -> Iterator[None]:
        """Rest with others of the same input: for that one of them counts."""
        me = object()
        dozing.append(me)
        try:
            with self._settling.waits(self._container_id, lambda: dozing[0] is me):
                yield
        finally:
            dozing.remove(me)


def nap_in_tasks() -> Callable[[], None]:
    """Have `asyncio.sleep` do so too on the loops of user code; returns what takes that back."""

    def on_the_clock(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        async def sleep(delay: float, result: Any = None) -> Any:
            container = here()
            naps = container.naps if container is not None else None
            # The SDK's own loop, onto which the container goes along with calls, has its own time.
            if naps is None or not naps.are_due or not naps.is_at_home() or not delay > 0:
                return await original(delay, result)
            await naps.lie_down(delay)
            return result

        return sleep

    undone = [wrap_one(module, "sleep", on_the_clock) for module in (asyncio, asyncio.tasks)]

    def take_back() -> None:
        for undo in undone:
            undo()

    return take_back

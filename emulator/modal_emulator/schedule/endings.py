"""
How a container ends that would have gone on: told in order, given a grace, then killed.

The interrupt (SIGINT) lets the SDK's entrypoint run exit handlers and commit the volumes. What
has not ended when the grace is over is killed with all its processes. The grace runs on the
emulator's clock. What becomes of the inputs is decided in `pool`, what becomes of
uncommitted writes in `commits`.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from modal_emulator.ground.clock import Clock
from modal_emulator.schedule.worker import Ending, Worker

__all__ = ["Endings"]


class Endings:
    """Ends containers."""

    def __init__(self, clock: Clock, grace: float) -> None:
        self._clock = clock
        self._grace = grace

    def interrupt(self, worker: Worker, why: Ending) -> Coroutine[Any, Any, None]:
        """Mark a container as ending now; the work to be done ends when the container has."""
        is_told = worker.ending is not None
        _mark(worker, why)
        return self._interrupt(worker, is_told)

    async def outlast(self, worker: Worker) -> None:
        """Wait until a container that was told to leave is gone, and kill it after the grace."""
        if not await self._comes(worker.gone):
            await self.kill(worker, Ending.KILLED)

    async def see_off(self, worker: Worker, input_id: str) -> None:
        """
        Wait until a container has left off an input that was ended, and kill it after the grace.

        That an input which does not heed its cancellation costs the container is a guess.
        """
        if not await self._comes(worker.doomed[input_id]) and not worker.gone.is_set():
            await self.kill(worker, Ending.DEAF)

    async def _comes(self, event: asyncio.Event) -> bool:
        gone = asyncio.ensure_future(event.wait())
        late = asyncio.ensure_future(self._clock.sleep(self._grace))
        # On a clock that stands nothing would end what hangs.
        stuck = asyncio.ensure_future(self._clock.live(self._grace))
        try:
            await asyncio.wait((gone, late, stuck), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            late.cancel()
            stuck.cancel()
        return event.is_set()

    async def kill(self, worker: Worker, why: Ending) -> None:
        """Kill a container without a word; returns when it is gone and answered for."""
        _mark(worker, why)
        if worker.container is not None:
            await worker.container.kill()
            await worker.gone.wait()

    async def _interrupt(self, worker: Worker, is_told: bool) -> None:
        if worker.container is None:
            return  # whoever starts it looks at `ending`
        if not is_told:  # a second interrupt would break off exit handlers
            await worker.container.terminate()
        await self.outlast(worker)


def _mark(worker: Worker, why: Ending) -> None:
    worker.leaving = True
    worker.ending = worker.ending or why  # the first reason counts

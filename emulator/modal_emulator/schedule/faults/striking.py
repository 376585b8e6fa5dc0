"""
Lets happen what strikes: failures, delays, lost connections, containers and regions that go.

It is asked before and after RPCs by the front, and at steps as a `Gate`, which stands there only
while a plan means a step. What is decided by others is done by them: how a container ends in
`endings`, what becomes of a region in `outages`.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Code, NotFound
from modal_emulator.ground.steps import FILE_STEPS, Moment, Step
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.faults.planned import Dropped, Planned
from modal_emulator.schedule.faults.plans import (
    Delay,
    DiskFull,
    Drop,
    Effect,
    Fail,
    Kill,
    Occasion,
    Preempt,
    RegionDown,
    Site,
)
from modal_emulator.schedule.faults.standing import Faults
from modal_emulator.schedule.outages import Outages
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.steps import Steps
from modal_emulator.schedule.worker import Ending, Worker

__all__ = ["Striking"]

WORDS = {
    "vo": "volume",
    "di": "dict",
    "qu": "queue",
    "fu": "called",
    "fc": "called",
}
"""What an object is called in plans, by the prefix of its id."""
_FILES = frozenset(kind.value for kind in FILE_STEPS)
_HEARD = 0.1  # the machine's seconds in which an interrupt reaches a container
LOST = Code.ABORTED, "the container is lost, as planned"  # what no SDK would send once more


class Striking:
    """Does what the plans of a World say."""

    def __init__(
        self,
        faults: Faults,
        steps: Steps,
        clock: Clock,
        settling: Settling,
        dispatcher: Dispatcher,
        outages: Outages,
    ) -> None:
        self._faults = faults
        self._steps = steps
        self._clock = clock
        self._settling = settling
        self._dispatcher = dispatcher
        self._outages = outages
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leave: Callable[[], None] | None = None
        faults.on_change(self._stand)

    async def meet(self, occasion: Occasion, *, rests: bool = True) -> None:
        """
        Let strike what does now; `rests` says that whose doing it is does nothing meanwhile.

        Raises:
            Planned: a failure with the status that was planned, or who asks is gone.
            Dropped: nobody is to be answered.
        """
        for plan in self._faults.meet(occasion):
            await self._do(plan.effect, occasion, rests)

    # ---------------------------------------------------------------- as a gate

    def wants(self, step: Step, moment: Moment) -> bool:
        """Say whether a plan means this moment of a step."""
        return self._faults.wants(_occasion(step, moment))

    async def arrive(self, step: Step, moment: Moment) -> None:
        """Let strike what does now."""
        # Whoever lets the step pass says that it rests.
        await self.meet(_occasion(step, moment), rests=False)

    def _stand(self) -> None:
        """Stand at the steps while there is a reason to."""
        wanted = self._faults.has(Site.STEP)
        if wanted and self._leave is None:
            self._leave = self._steps.add(self)
        elif not wanted and self._leave is not None:
            self._leave()
            self._leave = None

    # ---------------------------------------------------------------- what happens

    async def _do(self, effect: Effect, occasion: Occasion, rests: bool) -> None:
        if isinstance(effect, Fail):
            raise Planned(effect.code, effect.message, effect.retry_after)
        if isinstance(effect, Drop):
            raise Dropped
        if isinstance(effect, DiskFull):
            raise _no_space(occasion)
        if isinstance(effect, Delay):
            resting = self._settling.waits(occasion.container_id or None) if rests else None
            with resting or nullcontext():
                await self._clock.sleep(effect.seconds)
        elif isinstance(effect, RegionDown):
            await asyncio.shield(self._apart(self._outages.down(effect.region)))
            if occasion.container_id and self._worker(occasion) is None:
                raise Planned(*LOST)
        elif isinstance(effect, Kill | Preempt):
            await self._end(effect, occasion)

    async def _end(self, effect: Kill | Preempt, occasion: Occasion) -> None:
        worker = self._worker(occasion)
        if worker is None:
            return  # a client, or a Sandbox's container
        if isinstance(effect, Preempt):
            worker.pool.interrupt(worker, Ending.PREEMPTED)
            # Whoever waits for an answer hears of it only then in threads, and before in processes.
            await self._clock.live(_HEARD)
            raise Planned(*LOST)
        why = Ending.OUT_OF_MEMORY if effect.oom else Ending.KILLED
        await asyncio.shield(self._apart(worker.pool.kill(worker, why)))
        raise Planned(*LOST)

    def _apart(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Do something to its end, also when who set it off is broken off by it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _worker(self, occasion: Occasion) -> Worker | None:
        try:
            return self._dispatcher.worker(occasion.container_id)
        except NotFound:
            return None


def _no_space(occasion: Occasion) -> Exception:
    """Return what user code meets: of its own system call, or of a commit."""
    if occasion.name in _FILES:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    # In the words and with the status of a volume that holds as much as it can; see store/limits.
    return Planned(Code.FAILED_PRECONDITION, f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}")


def _occasion(step: Step, moment: Moment) -> Occasion:
    word = WORDS.get(step.object_id.partition("-")[0], "object")
    return Occasion(
        Site.STEP,
        step.kind.value,
        moment,
        step.container_id,
        step.function,
        {word: step.object_id} if step.object_id else {},
        tuple(path for path in (step.path, step.to) if path),
    )

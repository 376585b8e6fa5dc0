"""
Whether everything that an instant set off is over.

A container is *at rest* when nothing will come of it before the clock moves: it asks for an input
and there is none, or each input that it works on waits on the clock, or for another call. Whoever
waits so says it with `waits`, but for the main thread of a process, which notes until when it
sleeps where `asleep_until` finds it; what the emulator itself does between two instants is marked
with `busy`. When no container starts, ends or works, the instant is settled.

A clock that stands would keep a client waiting for ever that waits for something that is still to
come: then, and only while everything is settled, the clock goes on to whatever is next.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from modal_emulator.ground.clock import breathe
from modal_emulator.ground.errors import Conflict, EmulatorError
from modal_emulator.ground.instants import LATEST
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.virtual import Mode, VirtualClock
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.schedule.worker import Worker

__all__ = ["PATIENCE", "Settling"]

PATIENCE = 120.0
"""The machine's seconds after which work that does not come to rest is an error."""

_CALM = 0.005
"""The machine's seconds for which an emulator that jumps by itself sees nothing happen first."""

_LOOK = 0.005
"""The machine's seconds after which to look again who sleeps, where nobody says so."""

_HEEDING = 3.0
"""The machine's seconds that it may take to break off code; the SDK hears of it once a second."""

_TURNS = 1000
"""Of the loop, after which what is still ready is taken for something that polls."""


class Settling:
    """Knows who is at work, and waits until nobody is."""

    def __init__(self, clock: VirtualClock, journal: Journal, patience: float = PATIENCE) -> None:
        self._clock = clock
        self._journal = journal
        self._patience = patience
        self._waiting: dict[str | None, list[Callable[[], bool]]] = {}
        self._busy: Counter[str] = Counter()
        self._stirred: set[str] = set()
        self._naps: dict[str, float] = {}
        self._workers: Callable[[], list[Worker]] = list
        self._changed = Pulse()
        self._ran_on = Pulse()
        self._idling = 0
        self.autojump = False
        """Whether the clock goes on by itself whenever everything is settled."""
        self._is_led = False
        self._jump_until = LATEST

    def watch(self, workers: Callable[[], list[Worker]]) -> None:
        """Look at these containers."""
        self._workers = workers

    def jump(self, until: float | None) -> None:
        """Let the clock go on by itself until an instant; None ends that."""
        self.autojump = until is not None
        self._jump_until = LATEST if until is None else until
        self._changed.beat()

    def changed(self, container_id: str | None = None) -> None:
        """Somebody came to rest, or began: this container, if it is one."""
        if container_id is not None:
            self._stirred.add(container_id)
        self._changed.beat()

    def stirred(self, workers: Iterable[Worker]) -> list[Worker]:
        """Return those of all containers that have been at work since this was asked last."""
        self._naps = {w.container_id: self._naps.get(w.container_id, 0.0) for w in workers}
        were = [w for w in workers if w.container_id in self._stirred or self._does(w)]
        self._stirred.clear()
        return were

    @contextmanager
    def waits(
        self, container_id: str | None, for_others: Callable[[], bool] = lambda: True
    ) -> Iterator[None]:
        """
        For the length of the block this container (None: a client) waits for what comes.

        Who asks for outputs before it has given inputs waits for itself: `for_others` says no.
        """
        self._waiting.setdefault(container_id, []).append(for_others)
        self.changed(container_id)
        try:
            yield
        finally:
            if container_id is not None:
                self._stirred.add(container_id)
            self._waiting[container_id].remove(for_others)
            if not self._waiting[container_id]:
                del self._waiting[container_id]

    @contextmanager
    def led(self) -> Iterator[None]:
        """For the length of the block somebody else says when the clock goes on for a client."""
        self._is_led = True
        try:
            yield
        finally:
            self._is_led = False
            self._ran_on.beat()

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """For the length of the block the emulator itself does something."""
        self._busy[what] += 1
        try:
            yield
        finally:
            self._busy[what] -= 1
            if not self._busy[what]:
                del self._busy[what]
            self._changed.beat()

    def at_work(self) -> list[str]:
        """Say what is not at rest, empty when everything is."""
        return [*self._busy, *filter(None, map(self._does, self._workers()))]

    def resting(self, who: str | None) -> int:
        """Return for how many things this container (None: clients) waits that others do."""
        return sum(for_others() for for_others in self._waiting.get(who, ()))

    async def settled(self, others: Callable[[], Iterable[str]] = tuple) -> None:
        """
        Wait until everything is at rest, and `others` name nothing that is at work either.

        Raises:
            Conflict: something goes on for longer than the patience allows; the text names it.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        while True:
            at_work = [*self.at_work(), *others()]
            if not at_work:
                await self._idle(loop)
                at_work = [*self.at_work(), *others()]
            if not at_work:
                return
            if loop.time() < deadline:
                await self._changed.wait(_LOOK)
                continue
            raise Conflict(
                f"the clock cannot go on: after {self._patience:g} s there is still at work: "
                + "; ".join(at_work)
                + ". Threads that others wait for, and programs, take the machine's time"
            )

    async def go_on(self) -> None:
        """While the clock stands and somebody waits for it, let it go on; runs until cancelled."""
        clock, loop = self._clock, asyncio.get_running_loop()
        ran_on = clock.listen(self._ran_on.beat)
        try:
            while True:
                if self._is_led or not self._stands(clock):
                    await self._ran_on.wait()
                elif not self._is_stuck(clock):
                    await self._changed.wait(_LOOK if self._is_waited_for() else None)
                else:
                    if not self.resting(None):
                        await clock.live(_CALM)  # who moves it by hand may be about to do more
                    await self._idle(loop)
                    if self._is_stuck(clock):
                        await self._jump(clock)
        finally:
            ran_on()

    async def _jump(self, clock: VirtualClock) -> None:
        due = clock.next_due()
        if due is None or (due > self._jump_until and not self.resting(None)):
            await self._changed.wait()
            return
        try:
            await clock.jump(due)
        except EmulatorError as error:
            self._journal.add("clock.stuck", error=str(error))
            await self._changed.wait()

    def _stands(self, clock: VirtualClock) -> bool:
        return clock.mode is Mode.FROZEN and not clock.travelling

    def _is_stuck(self, clock: VirtualClock) -> bool:
        if self._is_led:
            return False
        return self._is_waited_for() and self._stands(clock) and not self.at_work()

    def _is_waited_for(self) -> bool:
        return self.resting(None) > 0 or self.autojump

    async def _idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let everything go first that is ready on the loop, and what becomes ready of that."""
        ready = getattr(loop, "_ready", None)  # asyncio's own; on other loops some turns must do
        least, ready = (10, ()) if ready is None else (1, ready)
        self._idling += 1
        try:
            for turn in range(_TURNS):
                if turn > least and len(ready) < self._idling:
                    break
                await breathe()
        finally:
            self._idling -= 1

    def _sleeps(self, worker: Worker) -> bool:
        """Say whether its code sleeps by what the container alone knows, and see that it wakes."""
        until = None if worker.container is None else worker.container.asleep_until
        until = None if until is None else until - worker.skew
        if until is None or until <= self._clock.now() or worker.ending is not None:
            return False
        if self._naps.get(worker.container_id) != until:
            self._naps[worker.container_id] = until
            self._stirred.add(worker.container_id)
            self._clock.at(until, lambda: None)  # there the clock has to stop
        return True

    def _does(self, worker: Worker) -> str:
        doomed = worker.doomed and self._clock.lived() < worker.told_at + _HEEDING
        if not doomed:
            if self.resting(worker.container_id) >= max(1, len(worker.inputs)):
                return ""
            if len(worker.inputs) <= 1 and self._sleeps(worker):
                return ""
        who = f"container {worker.container_id} of {worker.pool.function.tag!r}"
        if doomed:
            return f"{who} is told to leave off an input"
        if not worker.ready:
            return f"{who} starts"
        if worker.inputs:
            return f"{who} runs {len(worker.inputs)} of its inputs"
        if worker.leaving:
            return f"{who} ends"
        return "" if worker.asking else f"{who} begins or ends an input"

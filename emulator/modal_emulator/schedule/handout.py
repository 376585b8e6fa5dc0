"""
The waiting inputs of one function, and which container gets which.

An input goes to the first container that asks for it. Who asks waits until there is one, until it
is idle for the scale-down window, or until it is told to leave. What a container and an input are
beyond that is not known here.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice

from modal_emulator.ground.clock import Clock
from modal_emulator.schedule.calls import Input
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.worker import WORDLESS, Worker

__all__ = ["Handout"]


class Handout:
    """Hands inputs to containers."""

    def __init__(
        self,
        clock: Clock,
        settling: Settling,
        begin: Callable[[Input, Worker], None],
        may_shrink: Callable[[], bool],
    ) -> None:
        """`begin` is told of each input that a container gets."""
        self._clock = clock
        self._settling = settling
        self._begin = begin
        self._may_shrink = may_shrink
        self._waiting: OrderedDict[str, Input] = OrderedDict()
        self._kept_for: dict[str, str] = {}
        self._pulse = Pulse()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Input]:
        return iter(tuple(self._waiting.values()))

    def beat(self) -> None:
        """Have those who ask look again whether to stay."""
        self._pulse.beat()

    def put(self, new: Input) -> None:
        """Queue an input."""
        self._waiting[new.input_id] = new
        self._pulse.beat()

    def keep_for(self, waiting: Input, worker: Worker) -> None:
        """Give this one to no other container than this."""
        self._kept_for[waiting.input_id] = worker.container_id

    def keep_nothing_for(self, worker: Worker) -> None:
        """A container is gone, or leaves: what was kept for it is anybody's."""
        for input_id in [i for i, c in self._kept_for.items() if c == worker.container_id]:
            del self._kept_for[input_id]

    def put_first(self, undone: Input) -> None:
        """Queue an input before all others."""
        self._waiting[undone.input_id] = undone
        self._waiting.move_to_end(undone.input_id, last=False)

    def remove(self, doomed: Input) -> None:
        """Nobody needs to take this one any more."""
        self._waiting.pop(doomed.input_id, None)

    def drain(self) -> Iterator[Input]:
        """Yield what waits, each taken out."""
        while self._waiting:
            yield self._waiting.popitem(last=False)[1]

    async def take(
        self, worker: Worker, most: int, linger: float, window: float
    ) -> list[Input] | None:
        """
        Give the worker up to `most` inputs, waiting until there are some.

        None tells the worker to leave: it was idle for the window, or its app ended.
        """
        deadline = self._clock.now() + window
        worker.asking = True
        self._settling.changed(worker.container_id)
        try:
            while not worker.leaving:
                if taken := self._pop(worker, most):
                    await self._fill(worker, taken, most, linger)
                    return taken
                if (left := deadline - self._clock.now()) > 0:
                    if not await self._pulse.wait(left, self._clock):
                        deadline = 0.0
                elif worker.inputs or not self._may_shrink():
                    await self._pulse.wait()  # a change of either beats
                else:
                    worker.leaving = True
            if worker.ending in WORDLESS:
                await worker.gone.wait()  # a word now would let it run its exit handlers
            return None
        finally:
            worker.asking = False

    def _may_have(self, worker: Worker, waiting: Input) -> bool:
        kept = self._kept_for.get(waiting.input_id, waiting.only)
        return kept in ("", worker.container_id)

    async def _fill(self, worker: Worker, taken: list[Input], most: int, linger: float) -> None:
        """Wait for more inputs of a batch, until it is full or `linger` seconds are over."""
        until = self._clock.now() + linger
        try:
            while len(taken) < most and not worker.leaving:
                if (left := until - self._clock.now()) <= 0:
                    return
                worker.lingering = most - len(taken)
                await self._pulse.wait(left, self._clock)
                taken += self._pop(worker, most - len(taken))
        finally:
            worker.lingering = 0

    def _pop(self, worker: Worker, most: int) -> list[Input]:
        if worker.leaving:
            return []
        mine = (i for i in self._waiting.values() if self._may_have(worker, i))
        taken = list(islice(mine, most))
        for new in taken:
            del self._waiting[new.input_id]
            self._begin(new, worker)
        return taken

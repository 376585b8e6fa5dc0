"""
The attempts at one input: how long each may take, and when the next one is due.

The times run on the emulator's clock. Whether there is a next attempt is decided in `pool`.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from modal_emulator.ground.clock import Clock, Timer
from modal_emulator.schedule.calls import Calls, Input, State
from modal_emulator.store.apps import FunctionSpec

__all__ = ["Attempts"]


class Attempts:
    """Limits attempts, and brings back inputs whose next attempt is due."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._limits: dict[str, Timer] = {}

    def limit(self, running: Input, seconds: float, late: Callable[[Input, float], None]) -> None:
        """Call `late` when an input takes longer than this, unless `unlimit` is called before."""

        def over() -> None:
            self._limits.pop(running.input_id, None)
            late(running, seconds)

        self._limits[running.input_id] = self._clock.after(seconds, over)

    def unlimit(self, done: Input) -> None:
        """The attempt is over."""
        if limit := self._limits.pop(done.input_id, None):
            limit.cancel()

    def unlimit_all(self) -> None:
        """No attempt is limited any more."""
        for limit in self._limits.values():
            limit.cancel()
        self._limits.clear()

    def again(
        self, lost: Input, spec: FunctionSpec, submit: Callable[[Input], None]
    ) -> Coroutine[Any, Any, None]:
        """Count the attempt as lost; the work to be done submits the input when the next is due."""
        self._calls.lose(lost)
        delay = spec.retry_delay * spec.retry_backoff ** (lost.attempt - 1)
        return self._again(lost, min(delay, spec.retry_delay_limit), submit)

    async def _again(self, lost: Input, delay: float, submit: Callable[[Input], None]) -> None:
        await self._clock.sleep(delay)
        if lost.state is State.WAITING:
            self._calls.requeue(lost)
            submit(lost)

"""A signal that many may wait for and that may come again and again."""

import asyncio
from functools import partial

from modal_emulator.ground.clock import Clock, Timer

__all__ = ["Pulse"]


class Pulse:
    """Wakes everyone who waits at the moment of the beat; later waiters wait for the next one."""

    def __init__(self) -> None:
        # In the order of waiting, so that the same one comes first each time: not a set.
        self._waiting: dict[asyncio.Future[bool], None] = {}

    def beat(self) -> None:
        """Wake everyone who waits now."""
        for waiter in self._waiting:
            _wake(waiter, True)
        self._waiting.clear()

    def next(self) -> "asyncio.Future[bool]":
        """
        Return what is done at the next beat.

        It counts from here, where a task that waits would miss the beats before its first turn.
        """
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = None
        waiter.add_done_callback(self._forget)
        return waiter

    async def wait(
        self,
        timeout: float | None = None,
        clock: Clock | None = None,
        machine: float | None = None,
    ) -> bool:
        """
        Wait for the next beat; say whether it came.

        At most for `timeout` seconds of the clock (of the machine if no clock is given), and for
        `machine` seconds of the machine.
        """
        # One future and no task: every input of every container passes here twice.
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiting[waiter] = None
        late: list[Timer] = []
        if timeout is not None and clock is not None:
            late.append(clock.after(timeout, partial(_wake, waiter, False)))
        elif timeout is not None:
            machine = timeout if machine is None else min(machine, timeout)
        if machine is not None:
            late.append(loop.call_later(machine, _wake, waiter, False))
        try:
            return await waiter
        finally:
            self._waiting.pop(waiter, None)
            for timer in late:
                timer.cancel()

    def _forget(self, waiter: "asyncio.Future[bool]") -> None:
        self._waiting.pop(waiter, None)


def _wake(waiter: "asyncio.Future[bool]", came: bool) -> None:
    if not waiter.done():
        waiter.set_result(came)

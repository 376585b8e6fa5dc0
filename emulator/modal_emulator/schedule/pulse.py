"""A signal that many may wait for and that may come again and again."""

import asyncio

__all__ = ["Pulse"]


class Pulse:
    """Wakes everyone who waits at the moment of the beat; later waiters wait for the next one."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[bool]] = set()

    def beat(self) -> None:
        """Wake everyone who waits now."""
        for waiter in self._waiting:
            _wake(waiter, True)
        self._waiting.clear()

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for the next beat, at most `timeout` seconds; say whether it came."""
        # One future and no task: every input of every container passes here twice.
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiting.add(waiter)
        late = None if timeout is None else loop.call_later(timeout, _wake, waiter, False)
        try:
            return await waiter
        finally:
            self._waiting.discard(waiter)
            if late is not None:
                late.cancel()


def _wake(waiter: "asyncio.Future[bool]", came: bool) -> None:
    if not waiter.done():
        waiter.set_result(came)

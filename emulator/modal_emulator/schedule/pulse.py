"""A signal that many may wait for and that may come again and again."""

import asyncio

__all__ = ["Pulse"]


class Pulse:
    """Wakes everyone who waits at the moment of the beat; later waiters wait for the next one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def beat(self) -> None:
        """Wake everyone who waits now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for the next beat, at most `timeout` seconds; say whether it came."""
        event = self._event
        try:
            await asyncio.wait_for(event.wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return True

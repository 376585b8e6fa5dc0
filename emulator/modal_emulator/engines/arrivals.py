"""
Waiting on the emulator's clock for an item to arrive in a partition.

It belongs to one event loop, and knows nothing of what is kept: whoever adds something says so.
"""

import asyncio
from collections.abc import Awaitable, Callable

from modal_emulator.ground.clock import Clock

__all__ = ["Arrivals"]

Place = tuple[str, bytes]


class Arrivals:
    """Who waits for which partition of which Queue."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[Place, list[asyncio.Future[bool]]] = {}

    def told(self, queue_id: str, partition: bytes) -> None:
        """Wake who waits for this partition, in the order in which they came."""
        for told in self._waiting.pop((queue_id, partition), ()):
            _answer(told, True)

    def told_all(self, queue_id: str | None = None) -> None:
        """Wake who waits for any partition of a Queue, or of any Queue."""
        for place in [place for place in self._waiting if queue_id in (None, place[0])]:
            self.told(*place)

    async def wait(
        self,
        queue_id: str,
        partition: bytes,
        until: float,
        there: Callable[[], Awaitable[bool]],
    ) -> bool:
        """
        Return True once somebody told of the partition, and False when the clock reaches `until`.

        `there` is asked once, after this began to listen: what came before is not told again.
        """
        place = queue_id, partition
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(place, []).append(told)
        try:
            if await there():
                return True
            left = until - self._clock.now()
            if left <= 0:
                return told.done()
            over = self._clock.after(left, lambda: _answer(told, False))
            try:
                return await told
            finally:
                over.cancel()
        finally:
            self._leave(place, told)

    def _leave(self, place: Place, told: "asyncio.Future[bool]") -> None:
        told.cancel()
        waiting = self._waiting.get(place)
        if waiting is not None and told in waiting:
            waiting.remove(told)
            if not waiting:
                del self._waiting[place]


def _answer(told: "asyncio.Future[bool]", came: bool) -> None:
    if not told.done():
        told.set_result(came)

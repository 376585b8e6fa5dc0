"""
Whoever waits for a Queue: for something in it, or for room.

The SDK asks in slices, and says `Empty` when its own time is up, not when an answer is. An SDK in
this process or in a container is shown the emulator's clock (`ground/clockface.py`), so it waits on
that; while the clock stands it goes on for it, see `settling`. Any other client lives in
the machine's time: answered earlier it would ask again at once, and again, until that has passed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from modal_emulator.ground.clock import monotonic
from modal_emulator.ground.errors import Exhausted
from modal_emulator.rpc.call import TIMEOUT, Call
from modal_emulator.rpc.patience import sees_our_time
from modal_emulator.world import World

__all__ = ["Lingering", "put_in_time"]

DIGITS = 4
"""
Of the seconds that are asked for. They come as 32-bit floats, and the SDK takes away what passed
since it read its clock first, so a minute may be asked for as 59.999996 s.
"""

FIRST_S, LONGEST_S = 0.1, 30.0
"""Between two tries to put; the SDK's own ([sdk] queue.py)."""


async def put_in_time(world: World, call: Call[Any], put: Callable[[], Awaitable[None]]) -> None:
    """
    Put, and if there is no room try again for as long as the caller will.

    The SDK tries again itself, and waits by the machine between two tries. Where its deadline is
    on another clock, that has to pass here: from the second try on, as the first may be the only
    one.
    """
    headers, clock = call.metadata or {}, world.clock
    tries_again = headers.get("x-retry-attempt", "0") != "0"
    if clock.piece is None or not tries_again or not sees_our_time(world, call):
        return await put()
    seconds = round(float(headers.get(TIMEOUT, LONGEST_S)), 2)  # less what the call took to come
    ends, delay = clock.now() + seconds, FIRST_S
    while True:
        try:
            return await put()
        except Exhausted:
            left = ends - clock.now()
            if left <= 0:
                raise
        with world.settling.waits(call.container_id):
            await clock.sleep(min(left, delay))
        delay = min(2 * delay, LONGEST_S)


class Lingering:
    """The time that one request has."""

    def __init__(self, world: World, call: Call[Any], seconds: float) -> None:
        self._world = world
        self._call = call
        self._seconds = round(seconds, DIGITS)
        self._until = world.clock.now() + self._seconds
        self._until_machine = monotonic() + self._seconds

    async def arrival(self, queue_id: str, after: str = "") -> bool:
        """Wait until something may have been put there; False when the time is up."""
        if self._seconds <= 0:
            return False
        engine, partition = self._world.queue_engine, self._call.request.partition_key
        if sees_our_time(self._world, self._call):
            with self._world.settling.waits(self._call.container_id):
                return await engine.arrival(queue_id, partition, self._until, after)
        with ExitStack() as resting:
            if self._call.container_id is not None:
                resting.enter_context(self._world.settling.waits(self._call.container_id))
            while (left := self._until_machine - monotonic()) > 0:
                clock = self._world.clock
                until = clock.now() + left * max(1.0, clock.rate)  # if moved there, wait on
                wait = asyncio.ensure_future(engine.arrival(queue_id, partition, until, after))
                if await self._within(left, wait):
                    return True
        return False

    async def _within(self, left: float, wait: "asyncio.Future[bool]") -> bool:
        rest = asyncio.ensure_future(self._world.clock.live(left))
        try:
            both: set[asyncio.Future[Any]] = {wait, rest}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return wait.done() and wait.result()
        finally:
            wait.cancel()
            rest.cancel()

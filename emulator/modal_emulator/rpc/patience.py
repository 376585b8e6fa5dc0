"""
How long an answer may be held back that somebody waits for.

The SDK asks again and again, each time for a minute at most. An answer is held back for as long as
was asked, and no longer on the machine's clock, because the connection would be given up. An SDK
that tells the time by the emulator's clock is answered when that says so, too; any other would ask
again at once. Meanwhile who asks is at rest; see `settling`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from modal_emulator.rpc.call import Call
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.world import World

__all__ = ["Patience", "sees_our_time"]


class Patience:
    """The time that one request has."""

    def __init__(self, world: World, call: Call[Any], seconds: float) -> None:
        self._world = world
        self._container_id = call.container_id
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + seconds
        self._ends_virtual: float | None = None
        if sees_our_time(world, call):
            self._ends_virtual = world.clock.now() + seconds

    async def wait(self, pulse: Pulse, for_others: Callable[[], bool] = lambda: True) -> bool:
        """Wait for the next beat; say whether there is time left. `for_others` as in `settling`."""
        ends = self._ends_virtual
        left = None if ends is None else ends - self._world.clock.now()
        left_machine = self._ends - self._loop.time()
        if (left is not None and left <= 0) or left_machine <= 0:
            return False
        with self._world.settling.waits(self._container_id, for_others):
            return await pulse.wait(left, self._world.clock, left_machine)


def sees_our_time(world: World, call: Call[Any]) -> bool:
    """Say whether the SDK that asks tells the time by the emulator's clock."""
    who = call.container_id
    workers = world.dispatcher.workers() if who is not None else ()
    shown = any(w.container_id == who and not w.keeps_machine_time for w in workers)
    return call.is_near or shown

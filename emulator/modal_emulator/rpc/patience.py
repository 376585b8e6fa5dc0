"""
How long an answer may be held back that somebody waits for.

The SDK asks again and again, each time for a minute at most, by its own view of the time. An
answer is held back for as long as was asked, on the emulator's clock; and for as long on the
machine's at most, because the connection would be given up otherwise. Meanwhile who asks is at
rest; see `settling`.
"""

import asyncio

from modal_emulator.schedule.pulse import Pulse
from modal_emulator.world import World

__all__ = ["Patience"]


class Patience:
    """The time that one request has."""

    def __init__(self, world: World, container_id: str | None, seconds: float) -> None:
        self._world = world
        self._container_id = container_id
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + seconds
        self._ends_virtual = world.clock.now() + seconds

    async def wait(self, pulse: Pulse) -> bool:
        """Wait for the next beat; say whether there is time left."""
        left = self._ends_virtual - self._world.clock.now()
        left_machine = self._ends - self._loop.time()
        if left <= 0 or left_machine <= 0:
            return False
        with self._world.settling.waits(self._container_id):
            return await pulse.wait(left, self._world.clock, left_machine)

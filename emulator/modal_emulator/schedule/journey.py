"""
Moving the clock on somebody's behalf, and telling what fired on the way.

How time passes is known to the clock, and what is due to the schedules; here they meet. Whoever
moves the clock, in a test or by a command, does it by a `Journey`.
"""

from modal_emulator.ground.errors import Conflict
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.schedule.runs import ScheduledRun, told_run
from modal_emulator.schedule.schedules import Schedules

__all__ = ["Journey"]


class Journey:
    """Moves the clock, from when it is made until it is closed."""

    def __init__(self, clock: VirtualClock, schedules: Schedules, journal: Journal) -> None:
        self._clock = clock
        self._schedules = schedules
        self._count = 0
        self._forget = journal.listen(self._hear, "schedule.fired")

    def close(self) -> None:
        """Note no more of what fires."""
        self._forget()

    def fired(self) -> tuple[ScheduledRun, ...]:
        """Return what has fired since it began, each as it stands now, the first one first."""
        return tuple(map(told_run, self._schedules.history(self._count)))

    async def advance(self, seconds: float) -> None:
        """Let that much time pass."""
        await self._clock.travel(lambda now: now + seconds)

    async def move_to(self, at: float) -> None:
        """
        Let time pass until an instant.

        Raises:
            Invalid: it lies in the past.
        """
        await self._clock.travel(at)

    async def run_next(self) -> None:
        """
        Let time pass until the next schedule is due, and has run.

        Raises:
            Conflict: none will ever be.
        """
        coming = self._schedules.next(1)
        due = coming[0].next if coming else None
        if due is None:
            raise Conflict("no schedule is due: no deployed app has one, or all are paused")
        await self._clock.travel(lambda now: max(now, due))

    async def step(self, limit: float) -> bool:
        """Let time pass until something happens, and say that it did, or until the limit."""
        happened = False

        def stop() -> bool:
            nonlocal happened
            happened = True
            return True

        await self._clock.travel(lambda now: max(now, limit), stop)
        return happened

    def _hear(self, _event: Event) -> None:
        self._count += 1

"""
Schedules in the hand of a test: which there are, what they did, and what a Cron will do.

`CronHandle` is for any thread but the emulator's own. `preview` needs no emulator: it lists the
times of an expression as the emulator would fire them, with the same reading of the expression, of
time zones and of days on which the clocks change.
"""

from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import datetime
from itertools import takewhile
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from modal_emulator.schedule.cron import DstPolicy, check_cron, cron_times
from modal_emulator.schedule.journey import Journey
from modal_emulator.schedule.runs import ScheduledRun, ScheduleRecord, told_run, told_schedule
from modal_emulator.store.schedules import Cron
from modal_emulator.world import World

__all__ = ["CronHandle", "DstPolicy", "ScheduleRecord", "ScheduledRun", "preview"]

T = TypeVar("T")


class CronHandle:
    """
    The schedules of one emulator.

    A schedule is named by its function, `app/function`, or its app; no name means all of them.
    """

    def __init__(
        self, run: Callable[[Coroutine[Any, Any, Any]], Any], world: Callable[[], World]
    ) -> None:
        self._run = run
        self._world = world

    def list(self) -> tuple[ScheduleRecord, ...]:
        """Return all schedules, by app and function."""
        return self._ask(lambda world: tuple(map(told_schedule, world.schedules.list())))

    def next(self, count: int = 1) -> tuple[ScheduleRecord, ...]:
        """Return so many of the runs that come next: each as its schedule, with its `next`."""
        return self._ask(lambda world: tuple(map(told_schedule, world.schedules.coming(count))))

    def history(self, name: str = "") -> tuple[ScheduledRun, ...]:
        """Return every run, the oldest first."""
        runs = self._ask(lambda world: tuple(map(told_run, world.schedules.history())))
        return tuple(r for r in runs if name in ("", r.function, r.app, f"{r.app}/{r.function}"))

    def run_now(self, name: str = "") -> tuple[ScheduledRun, ...]:
        """
        Run scheduled functions, and return when they are done; also such as are paused.

        Raises:
            NotFound: the name means none.
            Conflict: something does not come to rest; the text names it.
        """

        async def fire() -> tuple[ScheduledRun, ...]:
            world = self._world()
            with closing(Journey(world.clock, world.schedules, world.journal)) as going:
                world.schedules.run_now(name)
                await world.settling.settled()
                return going.fired()

        runs: tuple[ScheduledRun, ...] = self._run(fire())
        return runs

    def pause(self, name: str = "") -> tuple[ScheduleRecord, ...]:
        """
        Let schedules not fire until they are resumed; Modal itself cannot do that.

        Raises:
            NotFound: the name means none.
        """
        return self._ask(lambda world: tuple(map(told_schedule, world.schedules.pause(name))))

    def resume(self, name: str = "") -> tuple[ScheduleRecord, ...]:
        """
        Let schedules fire again, from now on; what was due meanwhile is gone.

        Raises:
            NotFound: the name means none.
        """
        return self._ask(lambda world: tuple(map(told_schedule, world.schedules.resume(name))))

    def _ask(self, question: Callable[[World], T]) -> T:
        async def asked() -> T:
            return question(self._world())

        answer: T = self._run(asked())
        return answer


def preview(
    expression: str,
    timezone: str,
    start: datetime,
    end: datetime,
    *,
    dst_policy: DstPolicy | str = DstPolicy.DEBIAN,
) -> list[datetime]:
    """
    List when `modal.Cron(expression, timezone)` runs from `start` on and before `end`.

    Bounds without a time zone are read in that of the schedule, in which the answer is.

    Raises:
        Invalid: says what is wrong with the expression or with the time zone.
    """
    cron = Cron(expression, timezone)
    check_cron(cron)
    zone = ZoneInfo(timezone or "UTC")
    begin, stop = (t if t.tzinfo else t.replace(tzinfo=zone) for t in (start, end))
    last = stop.timestamp()
    # Minutes are the finest grain, so a microsecond earlier still means: from `start` on.
    times = cron_times(cron, begin.timestamp() - 1e-6, DstPolicy(dst_policy))
    return [datetime.fromtimestamp(t, zone) for t in takewhile(lambda t: t < last, times)]

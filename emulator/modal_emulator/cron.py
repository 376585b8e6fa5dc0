"""
What a Cron will do, without running anything.

`preview` lists the times of an expression as the emulator would fire them, with the same reading
of the expression, of time zones and of days on which the clocks change.
"""

from datetime import datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

from modal_emulator.schedule.cron import DstPolicy, check_cron, cron_times
from modal_emulator.store.schedules import Cron

__all__ = ["DstPolicy", "preview"]


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

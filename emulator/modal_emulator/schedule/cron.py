"""
When a Cron is due.

cronsim reads the expression and knows which days it means; from the times of day follow the
instants. What becomes of a time of day that a change of the clocks leaves out or brings twice is
decided by a `DstPolicy`: what Modal does there is not known. Never twice at one instant.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.schedules import Cron

__all__ = ["FIELDS", "NICKNAMES", "DstPolicy", "check_cron", "cron_times"]

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
NICKNAMES = {
    "@annually": "0 0 1 1 *",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@midnight": "0 0 * * *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@yearly": "0 0 1 1 *",
}

_EPOCH = date(1970, 1, 1).toordinal()
_DAY = timedelta(days=1)
_YEARS = 50  # what has not come by then never comes; cronsim's own measure


class DstPolicy(Enum):
    """
    What becomes of times of day when the clocks change.

    An expression whose minute or hour begins with a star goes on by elapsed time under each of
    these: it has nothing in the missing hour, and runs in both passes of the repeated one.
    """

    DEBIAN = "debian"
    """A missing time runs at the first moment after the gap, a repeated one in its first pass: as
    Debian's cron and cronsim have it. The default is a guess: Modal's own way is not known."""
    SKIP = "skip"
    """A missing time does not run, a repeated one runs in its first pass."""
    REPEAT = "repeat"
    """A missing time does not run, a repeated one runs in both passes."""
    SHIFT = "shift"
    """A missing time runs later by the length of the gap, a repeated one in its first pass."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """An expression, understood."""

    days: CronSim
    seconds: tuple[int, ...]
    """The times of a day, counted from its midnight, in order."""
    zone: ZoneInfo | None
    """None is UTC."""
    elapsed: bool


def check_cron(cron: Cron) -> None:
    """
    See whether a Cron can be followed.

    Raises:
        Invalid: says what is wrong with it. Modal's words are not known; these are ours.
    """
    _plan(cron)


def cron_times(cron: Cron, after: float, policy: DstPolicy = DstPolicy.DEBIAN) -> Iterator[float]:
    """
    Go through the instants at which a Cron is due, all later than `after`, in order, each once.

    Raises:
        Invalid: the Cron cannot be followed.
    """
    plan = _plan(cron)
    if plan.zone is None:
        return _in_utc(plan, after)
    return _in_zone(plan, plan.zone, after, DstPolicy.REPEAT if plan.elapsed else policy)


@lru_cache(maxsize=1024)
def _plan(cron: Cron) -> _Plan:
    words = cron.expression.split()
    if cron.expression.strip().lower() in NICKNAMES:
        meant = NICKNAMES[cron.expression.strip().lower()]
        raise Invalid(f"nicknames are not understood; write {meant!r} for it")
    if len(words) != len(FIELDS):
        raise Invalid(f"it has {len(words)} fields, not the five {', '.join(FIELDS)}")
    try:
        sim = CronSim(cron.expression, datetime(1970, 1, 1))
    except CronSimError as error:
        raise Invalid(f"{str(error).lower().replace('-', ' ')}") from None
    return _Plan(
        days=sim,
        seconds=tuple(h * 3600 + m * 60 for h in sorted(sim.hours) for m in sorted(sim.minutes)),
        zone=_zone(cron.timezone),
        elapsed=words[0].startswith("*") or words[1].startswith("*"),
    )


def _zone(name: str) -> ZoneInfo | None:
    if name in ("", "UTC"):  # SDKs before 1.0.3 know no time zones and send none
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Invalid(f"there is no time zone {name!r}; write one like 'Europe/Oslo'") from None


def _days(sim: CronSim, first: date) -> Iterator[date]:
    end = date(min(first.year + _YEARS, 9998), 12, 31)
    day = first
    while day <= end:
        if day.month not in sim.months:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            continue
        if sim.match_day(day):
            yield day
        day += _DAY


def _in_utc(plan: _Plan, after: float) -> Iterator[float]:
    first = datetime.fromtimestamp(after, timezone.utc).date()
    for day in _days(plan.days, first):
        midnight = (day.toordinal() - _EPOCH) * 86400.0
        if midnight > after:
            for seconds in plan.seconds:
                yield midnight + seconds
            continue
        for seconds in plan.seconds:
            if midnight + seconds > after:
                yield midnight + seconds


def _in_zone(plan: _Plan, zone: ZoneInfo, after: float, policy: DstPolicy) -> Iterator[float]:
    # What was on the wall two days ago may still be to come: the clocks can go back by a day.
    first = datetime.fromtimestamp(after, zone).date() - 2 * _DAY
    for due in _merged(_by_day(plan, zone, first, policy)):
        if due > after:
            after = due
            yield due


def _by_day(
    plan: _Plan, zone: ZoneInfo, first: date, policy: DstPolicy
) -> Iterator[tuple[list[float], list[float]]]:
    """Yield for each day what comes in its place, and what comes late; see `_merged`."""
    for day in _days(plan.days, first):
        start = datetime(day.year, day.month, day.day, tzinfo=zone)
        offset = _offset(start)
        if offset == _offset((start + _DAY).replace(fold=1)):
            midnight = (day.toordinal() - _EPOCH) * 86400.0 - offset
            yield [midnight + seconds for seconds in plan.seconds], []
            continue
        for seconds in plan.seconds:
            yield _resolved(start + timedelta(seconds=seconds), policy)


def _resolved(wall: datetime, policy: DstPolicy) -> tuple[list[float], list[float]]:
    """Return the instants of a time on the wall, on a day on which the clocks change."""
    first, second = wall.timestamp(), wall.replace(fold=1).timestamp()
    if first == second:
        return [first], []
    if first < second:  # it comes twice
        return [first], [second] if policy is DstPolicy.REPEAT else []
    if policy is DstPolicy.SHIFT:
        return [], [first]
    if policy is not DstPolicy.DEBIAN:
        return [], []
    while wall.timestamp() != wall.replace(fold=1).timestamp():  # it does not come
        wall += timedelta(minutes=1)
    return [wall.timestamp()], []


def _merged(parts: Iterable[tuple[list[float], list[float]]]) -> Iterator[float]:
    """Bring two rows into one order: what comes in its place, and what comes late."""
    waiting: deque[float] = deque()
    for in_place, late in parts:
        waiting.extend(late)
        if not waiting:
            yield from in_place
            continue
        for due in in_place:
            while waiting and waiting[0] <= due:
                yield waiting.popleft()
            yield due
    yield from waiting


def _offset(wall: datetime) -> float:
    offset = wall.utcoffset()
    assert offset is not None  # every time of a ZoneInfo has one
    return offset.total_seconds()

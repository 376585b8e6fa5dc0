"""
When a Period is due.

Calendar arithmetic by dateutil, as the SDK's documentation promises, in UTC. Every run is counted
from the deployment and not from the run before, so months do not drift: what is deployed on
January 31 runs on the last day of February and on March 31 [guess]. The first run comes one
interval after the deployment (modal-semantics 3 [guess]).
"""

from collections.abc import Iterator
from dataclasses import astuple
from datetime import datetime, timezone

from dateutil.relativedelta import relativedelta

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.schedules import Period

__all__ = ["check_period", "period_times"]

_START = 1_735_689_600.0  # 2025-01-01: any deployment, to see whether a span is one


def check_period(period: Period) -> None:
    """
    See whether a Period can be followed.

    Raises:
        Invalid: says what is wrong with it. Modal's words are not known; these are ours.
    """
    if not all(number >= 0 for number in astuple(period)):  # so said, it also catches a NaN
        raise Invalid("no part of it may be negative")
    if next(period_times(period, _START, _START), _START + 1) <= _START:
        raise Invalid("it is no span of time: give it at least one part above zero")


def period_times(period: Period, anchor: float, after: float) -> Iterator[float]:
    """Go through the instants at which a Period that began at `anchor` is due, after `after`."""
    number = _at_most(period, max(0.0, after - anchor))
    while True:
        try:
            due = _due(period, anchor, number)
        except (OverflowError, ValueError):
            return  # beyond what a calendar holds
        if due > after or due <= anchor:
            yield due
        number += 1


def _due(period: Period, anchor: float, number: int) -> float:
    years, months, weeks, days, hours, minutes, seconds = astuple(period)
    span = relativedelta(
        years=years * number,
        months=months * number,
        weeks=weeks * number,
        days=days * number,
        hours=hours * number,
        minutes=minutes * number,
        seconds=seconds * number,
    )
    return (datetime.fromtimestamp(anchor, timezone.utc) + span).timestamp()


def _at_most(period: Period, elapsed: float) -> int:
    """Return a number of intervals that is certainly not too large, so that none is missed."""
    days = period.years * 366 + period.months * 31 + period.weeks * 7 + period.days
    longest = days * 86400 + period.hours * 3600 + period.minutes * 60 + period.seconds
    return max(1, int(elapsed / longest) - 1) if longest > 0 else 1

"""
Instants and spans as people write them, and how a clock begins.

Instants are ISO 8601; one without a time zone is in UTC, so that a test means the same on every
machine. Spans are numbers with units, as in `1h30m`.
"""

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo

from dateutil.parser import isoparse

from modal_emulator.ground.errors import Invalid

__all__ = [
    "LATEST",
    "Beginning",
    "Instant",
    "Span",
    "aware",
    "parse_beginning",
    "parse_instant",
    "parse_span",
    "show_instant",
]

Instant = datetime | date | str | float
"""A datetime, aware or in UTC; a date, from its midnight in UTC; ISO 8601; seconds since 1970."""
Span = timedelta | str | float
"""A timedelta, a text such as `1h30m`, or seconds."""

LATEST = 253_402_300_799.0
"""The last second of the year 9999, which Python's datetime can still say."""

_UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")

_RATE = re.compile(r"(.*\S)\s+rate=(\S+)")


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a clock begins."""

    at: float | None = None
    """Seconds since 1970; None is the machine's instant."""
    rate: float = 1.0
    """Seconds per second of the machine's; 0 stands."""


def parse_instant(value: Instant, zone: tzinfo = timezone.utc) -> float:
    """
    Return an instant as seconds since 1970; one without a time zone is in this one.

    Raises:
        Invalid: it is none, or not between 1970 and the year 9999.
    """
    at = _instant(value, zone)
    if not 0 <= at <= LATEST:
        raise Invalid(f"{value!r} is no instant between the years 1970 and 9999")
    return at


def parse_span(value: Span) -> float:
    """
    Return a span as seconds.

    Raises:
        Invalid: it is none, or negative.
    """
    seconds = _span(value)
    if not (seconds >= 0 and math.isfinite(seconds)):
        raise Invalid(f"{value!r} does not go forward: a span is 0 or more")
    return seconds


def parse_beginning(value: Instant, rate: float | None = None) -> Beginning:
    """
    Return how a clock begins: `real`, `frozen` at the machine's instant, or at an instant.

    A text may end in a rate, as in `2024-01-31 rate=60`. Without one it stands, unless it is real.

    Raises:
        Invalid: it makes no sense.
    """
    if isinstance(value, str) and (found := _RATE.fullmatch(value)):
        value, rate = found[1], _number(found[2])
    if rate is not None and not (rate >= 0 and math.isfinite(rate)):
        raise Invalid(f"{rate!r} is no rate: 0 stands, 1 runs, more runs faster")
    if value == "real":
        return Beginning(None, 1.0 if rate is None else rate)
    if value == "frozen":
        return Beginning(None, 0.0)
    return Beginning(parse_instant(value), 0.0 if rate is None else rate)


def aware(at: float) -> datetime:
    """Return an instant as a datetime in UTC."""
    return datetime.fromtimestamp(at, timezone.utc)


def show_instant(at: float) -> str:
    """Return an instant in ISO 8601, in UTC."""
    return aware(at).isoformat().replace("+00:00", "Z")


def _instant(value: Instant, zone: tzinfo) -> float:
    if isinstance(value, str):
        return _stamp(_read(value), zone)
    if isinstance(value, datetime):
        return _stamp(value, zone)
    if isinstance(value, date):
        return _stamp(datetime(value.year, value.month, value.day), zone)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(f"{value!r} is no instant: give a datetime, ISO 8601, or seconds since 1970")
    return float(value)


def _read(text: str) -> datetime:
    try:
        return isoparse(text.strip())
    except ValueError as error:
        raise Invalid(
            f"{text!r} is no instant ({error}): write one like 2024-01-31, 2024-01-31T02:00 or "
            "2024-01-31T02:00:00+01:00; without a time zone it is in UTC"
        ) from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _stamp(moment: datetime, zone: tzinfo) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def _span(value: Span) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        text = value.replace(" ", "")
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise Invalid(f"{value!r} is no span: write one like 90s, 15m, 1h30m, 3d or 2w")
        return float(sum(float(number) * _UNITS[unit] for number, unit in parts))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(f"{value!r} is no span: give a timedelta, a text like 1h30m, or seconds")
    return float(value)

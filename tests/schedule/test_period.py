from datetime import datetime, timezone
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.ground.errors import Invalid
from modal_emulator.schedule.period import check_period, period_times
from modal_emulator.store.schedules import Period


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def texts(period: Period, anchor: str, after: str, count: int) -> list[str]:
    due = islice(period_times(period, at(anchor), at(after)), count)
    return [f"{datetime.fromtimestamp(t, timezone.utc):%Y-%m-%d %H:%M}" for t in due]


def test_the_first_run_comes_one_interval_after_the_deployment() -> None:
    deployed = "2025-03-29T14:05"
    seen = texts(Period(days=1), deployed, deployed, 2)
    assert seen == ["2025-03-30 14:05", "2025-03-31 14:05"]
    assert next(period_times(Period(seconds=3.1415927410125732), 0.0, 0.0)) == 3.141593


def test_months_are_counted_from_the_deployment_and_do_not_drift() -> None:
    seen = texts(Period(months=1), "2025-01-31T08:00", "2025-01-31T08:00", 4)
    assert seen == ["2025-02-28 08:00", "2025-03-31 08:00", "2025-04-30 08:00", "2025-05-31 08:00"]


def test_leap_days_come_back() -> None:
    seen = texts(Period(years=1), "2024-02-29T00:00", "2026-06-01T00:00", 2)
    assert seen == ["2027-02-28 00:00", "2028-02-29 00:00"]


def test_parts_add_up() -> None:
    mixed = Period(weeks=1, days=1, hours=1, minutes=1, seconds=60.0)
    assert texts(mixed, "2025-01-01T00:00", "2025-01-01T00:00", 1) == ["2025-01-09 01:02"]


def test_what_no_calendar_holds_never_comes() -> None:
    assert list(period_times(Period(years=9000), at("2025-01-01T00:00"), 0.0)) == []


spans = st.builds(
    Period,
    years=st.integers(0, 2),
    months=st.integers(0, 14),
    weeks=st.integers(0, 5),
    days=st.integers(0, 40),
    hours=st.integers(0, 30),
    minutes=st.integers(0, 90),
    seconds=st.floats(0, 100, allow_nan=False, width=32),
).filter(lambda p: p != Period() and p.seconds * 1e6 == int(p.seconds * 1e6))


@given(period=spans, anchor=st.integers(0, 2**31), later=st.integers(0, 10**9))
def test_beginning_later_finds_the_same_instants(period: Period, anchor: int, later: int) -> None:
    after = anchor + later % max(1, int(_first(period, anchor) - anchor) * 300)
    from_start = period_times(period, float(anchor), float(anchor))
    expected = list(islice((t for t in from_start if t > after), 3))
    assert list(islice(period_times(period, float(anchor), float(after)), 3)) == expected


def _first(period: Period, anchor: int) -> float:
    return next(period_times(period, float(anchor), float(anchor)))


@pytest.mark.parametrize(
    ("period", "reason"),
    [
        (Period(), "it is no span of time"),
        (Period(seconds=1e-9), "it is no span of time"),
        (Period(days=-1), "no part of it may be negative"),
        (Period(days=1, hours=-1), "no part of it may be negative"),
        (Period(seconds=float("nan")), "no part of it may be negative"),
    ],
    ids=str,
)
def test_what_is_no_span_is_refused(period: Period, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        check_period(period)


def test_ordinary_spans_are_not_refused() -> None:
    for period in (Period(days=1), Period(seconds=0.5), Period(years=1)):
        check_period(period)

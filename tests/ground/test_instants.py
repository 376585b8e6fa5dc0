"""Instants, spans and beginnings as people write them."""

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.instants import (
    LATEST,
    Beginning,
    aware,
    parse_beginning,
    parse_instant,
    parse_span,
    show_instant,
)

NOON = datetime(2024, 1, 31, 12, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    "written",
    [
        "2024-01-31T12:00:00Z",
        "2024-01-31T12:00",
        "2024-01-31 12:00:00.000",
        " 2024-01-31T13:00:00+01:00 ",
        "20240131T070000-0500",
        datetime(2024, 1, 31, 12),
        datetime(2024, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))),
        1706702400,
        1706702400.0,
    ],
)
def test_many_ways_to_write_one_instant(written):
    assert parse_instant(written) == NOON


def test_a_day_begins_at_midnight_in_utc():
    assert parse_instant("2024-01-31") == parse_instant(date(2024, 1, 31)) == NOON - 12 * 3600


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2024-02-30", "day is out of range"),
        ("tomorrow", "no instant"),
        ("", "no instant"),
        ("1969-12-31", "between the years 1970 and 9999"),
        ("9999-12-31T23:59:59-05:00", "between the years 1970 and 9999"),
        (float("nan"), "between the years 1970 and 9999"),
        (-1, "between the years 1970 and 9999"),
        (True, "give a datetime"),
        (None, "give a datetime"),
        (timedelta(1), "give a datetime"),
    ],
)
def test_what_is_no_instant(written, why):
    with pytest.raises(Invalid, match=why):
        parse_instant(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("3d", 3 * 86400),
        ("2w", 14 * 86400),
        ("250ms", 0.25),
        ("0s", 0),
        (timedelta(hours=1), 3600),
        (5, 5),
        (0.5, 0.5),
    ],
)
def test_spans(written, seconds):
    assert parse_span(written) == seconds


@pytest.mark.parametrize("written", ["", "1", "h", "1x", "-1h", "1h30", "1y", -1, True, None])
def test_what_is_no_span(written):
    with pytest.raises(Invalid):
        parse_span(written)


def test_a_clock_begins_as_it_is_told():
    assert parse_beginning("real") == Beginning()
    assert parse_beginning("real", 60) == Beginning(None, 60)
    assert parse_beginning("frozen") == Beginning(None, 0)
    assert parse_beginning("2024-01-31T12:00Z") == Beginning(NOON, 0)
    assert parse_beginning(datetime(2024, 1, 31, 12), 1) == Beginning(NOON, 1)
    assert parse_beginning("2024-01-31T12:00Z rate=60") == Beginning(NOON, 60)
    assert parse_beginning("real rate=2") == Beginning(None, 2)
    with pytest.raises(Invalid, match="no rate"):
        parse_beginning("real rate=fast")
    for wrong in (-1, float("inf"), float("nan")):
        with pytest.raises(Invalid, match="no rate"):
            parse_beginning("real", wrong)


@given(st.integers(0, int(LATEST * 1000)))
def test_what_is_shown_can_be_read(milliseconds):
    at = milliseconds / 1000
    assert parse_instant(show_instant(at)) == pytest.approx(at, abs=1e-5)
    assert parse_instant(aware(at)) == pytest.approx(at, abs=1e-5)

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.cron import preview
from modal_emulator.ground.errors import Invalid
from modal_emulator.schedule.cron import DstPolicy, check_cron, cron_times
from modal_emulator.store.schedules import Cron

MINUTE = 60.0
# Days around which clocks change: by an hour, by half of one, at midnight, and by a whole day.
CHANGES = {
    "America/New_York": ["2025-03-09", "2025-11-02"],
    "Europe/Oslo": ["2025-03-30", "2025-10-26"],
    "Australia/Lord_Howe": ["2025-04-06", "2025-10-05"],
    "Africa/Cairo": ["2025-04-25", "2025-10-31"],
    "America/Havana": ["2025-03-09", "2025-11-02"],
    "America/Asuncion": ["2022-03-27", "2022-10-02"],
    "America/St_Johns": ["2010-03-14", "2010-11-07"],
    "Pacific/Apia": ["2011-12-30"],
    "Asia/Kathmandu": ["2025-06-01"],
    "UTC": ["2024-02-28", "2025-02-28", "2024-12-31"],
}


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def walls(due: Iterator[float], zone: str, count: int) -> list[str]:
    place = ZoneInfo(zone)
    return [f"{datetime.fromtimestamp(t, place):%m-%d %H:%M%z}" for t in islice(due, count)]


def meant(field: str, lowest: int, highest: int) -> set[int]:
    """Read one field as the manual page of crontab says, knowing nothing of cronsim."""
    found = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        low, high = (
            (lowest, highest) if span == "*" else (int(n) for n in (span.split("-") * 2)[:2])
        )
        found.update(range(low, high + 1, int(step or 1)))
    return found


@lru_cache
def minutes(zone: str, day: str) -> list[tuple[float, datetime, int]]:
    """Return the instants of four days, minute by minute, with what is on the wall then."""
    start, place = at(day) - 24 * 3600, ZoneInfo(zone)
    found = []
    for number in range(4 * 24 * 60):
        wall = datetime.fromtimestamp(start + number * MINUTE, place)
        found.append((start + number * MINUTE, wall.replace(tzinfo=None, fold=0), wall.fold))
    return found


def brute_force(expression: str, zone: str, day: str, policy: DstPolicy) -> list[float]:
    """Walk through real time minute by minute and look at the wall."""
    fields = expression.split()
    bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
    minute, hour, days, months, week = (meant(f, *b) for f, b in zip(fields, bounds, strict=True))
    both = any(field.startswith("*") for field in fields[2::2])
    if any(field.startswith("*") for field in fields[:2]):
        policy = DstPolicy.REPEAT

    def on(wall: datetime) -> bool:
        if wall.minute not in minute or wall.hour not in hour or wall.month not in months:
            return False
        by_week = bool(week & {wall.isoweekday(), wall.isoweekday() % 7})
        if both:
            return wall.day in days and by_week
        return wall.day in days or by_week

    found, before = set(), minutes(zone, day)[0][1]
    for now, wall, fold in minutes(zone, day):
        if on(wall) and (fold == 0 or policy is DstPolicy.REPEAT):
            found.add(now)
        missing = before + timedelta(minutes=1)
        while missing < wall:
            if on(missing) and policy is DstPolicy.DEBIAN:
                found.add(now)
            if on(missing) and policy is DstPolicy.SHIFT:
                found.add(now + (missing - before).total_seconds() - MINUTE)
            missing += timedelta(minutes=1)
        before = wall
    return sorted(found)


def field(lowest: int, highest: int) -> st.SearchStrategy[str]:
    number = st.integers(lowest, highest)
    # cronsim takes `3-3/2` for `3/2`, that is 3-59/2; nobody writes it.
    span = st.tuples(number, number).filter(lambda pair: pair[0] != pair[1])
    span = span.map(lambda pair: "{}-{}".format(*sorted(pair)))
    step = st.integers(1, highest)
    term = st.one_of(
        number.map(str),
        span,
        st.just("*"),
        st.builds("{}/{}".format, st.one_of(span, st.just("*")), step),
    )
    return st.lists(term, min_size=1, max_size=2).map(",".join)


expressions = st.tuples(
    field(0, 59), st.one_of(field(0, 23), field(0, 3)), field(1, 31), field(1, 12), field(0, 7)
).map(" ".join)
often = st.tuples(field(0, 59), st.one_of(field(0, 3), st.just("*"))).map(
    lambda two: f"{two[0]} {two[1]} * * *"
)
moments = st.sampled_from([(z, day) for z, days in CHANGES.items() for day in days])


@given(
    expression=st.one_of(expressions, often),
    moment=moments,
    policy=st.sampled_from(DstPolicy),
    offset=st.integers(0, 48 * 60),
)
def test_due_times_are_those_of_brute_force(
    expression: str, moment: tuple[str, str], policy: DstPolicy, offset: int
) -> None:
    zone, day = moment
    start = at(day) - 24 * 3600 + offset * MINUTE
    end = at(day) + 48 * 3600  # of the four days, the last may still be to come late
    try:
        due = list(takewhile(lambda t: t < end, cron_times(Cron(expression, zone), start, policy)))
    except Invalid:
        assert "31" in expression or "30" in expression  # cronsim finds no such day in its months
        return
    assert due == [t for t in brute_force(expression, zone, day, policy) if start < t < end]


@pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 * * * *", "0 0 * * *", "15 1,3 * * 0"])
@pytest.mark.parametrize("zone", CHANGES)
def test_the_default_is_what_cronsim_does(expression: str, zone: str) -> None:
    for day in CHANGES[zone]:
        start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)) - timedelta(days=1)
        theirs = [t.timestamp() for t in islice(CronSim(expression, start), 300)]
        assert list(islice(cron_times(Cron(expression, zone), start.timestamp()), 300)) == theirs


def test_missing_and_repeated_times_follow_the_policy() -> None:
    new_york = Cron("30 1,2 * * *", "America/New_York")
    spring, autumn = at("2025-03-09T00:00", new_york.timezone), at("2025-11-02T00:00+00:00")
    seen = {
        policy.value: (
            walls(cron_times(new_york, spring, policy), new_york.timezone, 2),
            walls(cron_times(new_york, autumn + 4 * 3600, policy), new_york.timezone, 3),
        )
        for policy in DstPolicy
    }
    early, late = "11-02 01:30-0400", "11-02 01:30-0500"
    once = [early, "11-02 02:30-0500", "11-03 01:30-0500"]
    first = "03-09 01:30-0500"
    assert seen == {
        "debian": ([first, "03-09 03:00-0400"], once),
        "skip": ([first, "03-10 01:30-0400"], once),
        "repeat": ([first, "03-10 01:30-0400"], [early, late, "11-02 02:30-0500"]),
        "shift": ([first, "03-09 03:30-0400"], once),
    }


def test_two_missing_times_run_once_after_the_gap() -> None:
    due = cron_times(Cron("0,30 2 * * *", "Europe/Oslo"), at("2025-03-29T12:00"))
    assert walls(due, "Europe/Oslo", 2) == ["03-30 03:00+0200", "03-31 02:00+0200"]


def test_what_was_on_the_wall_yesterday_may_still_be_to_come() -> None:
    """In Newfoundland 00:01 was once followed by 23:01, and Samoa left out a whole day."""
    late = Cron("30 23 * * *", "America/St_Johns")
    due = cron_times(late, at("2010-11-07T02:30:30"), DstPolicy.REPEAT)
    assert walls(due, late.timezone, 1) == ["11-06 23:30-0330"]
    noon = Cron("0 12 * * *", "Pacific/Apia")
    due = cron_times(noon, at("2011-12-31T05:00", noon.timezone), DstPolicy.SHIFT)
    assert next(due) == at("2011-12-31T12:00", noon.timezone)
    missing = Cron("0 12 30 * *", "Pacific/Apia")
    due = cron_times(missing, at("2011-12-31T05:00", noon.timezone), DstPolicy.SHIFT)
    assert next(due) == at("2011-12-31T12:00", noon.timezone)


def test_months_end_and_leap_days_come() -> None:
    last = cron_times(Cron("0 12 31 * *"), at("2025-01-31T12:00"))
    assert walls(last, "UTC", 3) == ["03-31 12:00+0000", "05-31 12:00+0000", "07-31 12:00+0000"]
    leap = cron_times(Cron("0 0 29 2 *"), at("2025-01-01T00:00"))
    assert [datetime.fromtimestamp(t, timezone.utc).year for t in islice(leap, 2)] == [2028, 2032]


def test_names_sevens_and_an_sdk_without_time_zones_are_understood() -> None:
    sunday = at("2025-06-01T09:00")
    for expression in ("0 9 * JUN SUN", "0 9 * 6 7", "0 9 * jun 0"):
        assert next(cron_times(Cron(expression, ""), sunday - 60)) == sunday


@pytest.mark.parametrize(
    ("expression", "zone", "reason"),
    [
        ("", "UTC", "it has 0 fields"),
        ("* * * *", "UTC", "it has 4 fields"),
        ("0 * * * * *", "UTC", "it has 6 fields, not the five minute, hour, day of month, month"),
        ("60 * * * *", "UTC", "bad minute"),
        ("* 24 * * *", "UTC", "bad hour"),
        ("* * 0 * *", "UTC", "bad day of month"),
        ("* * * 13 *", "UTC", "bad month"),
        ("* * * * 8", "UTC", "bad day of week"),
        ("*/0 * * * *", "UTC", "bad minute"),
        ("5-1 * * * *", "UTC", "bad minute"),
        ("0 0 31 2 *", "UTC", "bad day of month"),
        ("0 0 ? * MON", "UTC", "bad day of month"),
        ("0 0 15W * *", "UTC", "bad day of month"),
        ("@daily", "UTC", "nicknames are not understood; write '0 0 * * *'"),
        ("@reboot", "UTC", "it has 1 fields"),
        ("0 0 * * *", "Mars/Olympus", "there is no time zone 'Mars/Olympus'"),
        ("0 0 * * *", "/etc/passwd", "there is no time zone"),
        ("0 0 * * *", "Europe", "there is no time zone"),
    ],
)
def test_what_cannot_be_followed_is_refused(expression: str, zone: str, reason: str) -> None:
    with pytest.raises(Invalid, match="^" + reason.replace("?", r"\?").replace("*", r"\*")):
        check_cron(Cron(expression, zone))


def test_an_expression_that_never_comes_ends() -> None:
    assert list(cron_times(Cron("0 0 */31 * 1#3", "Europe/Oslo"), at("2025-01-01T00:00"))) == []


def test_a_preview_goes_from_its_start_up_to_its_end() -> None:
    seen = preview("0 2 * * *", "Europe/Oslo", datetime(2025, 3, 29, 2), datetime(2025, 3, 31, 2))
    assert [t.isoformat() for t in seen] == [
        "2025-03-29T02:00:00+01:00",
        "2025-03-30T03:00:00+02:00",
    ]
    aware = datetime(2025, 3, 30, tzinfo=timezone.utc)
    assert (
        preview("0 2 * * *", "Europe/Oslo", aware, aware + timedelta(hours=20), dst_policy="skip")
        == []
    )
    with pytest.raises(Invalid):
        preview("never", "UTC", aware, aware)

"""
What policies and engines make of the same expressions, as a page: `docs/reference/cron.md`.

    python tests/cron_table.py > docs/reference/cron.md
    python tests/cron_table.py --check docs/reference/cron.md

What is said of the emulator's policies, of cronsim and of croniter is computed; what is said of
engines that are not here is from their documentation.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim

from modal_emulator.schedule.cron import DstPolicy, cron_times
from modal_emulator.store.schedules import Cron

__all__ = ["main", "page"]


class Case(NamedTuple):
    what: str
    expression: str
    zone: str
    start: str
    """The wall's time before which nothing counts."""
    days: int = 1


CHANGES = [
    Case("missing hour, one time in it", "30 2 * * *", "America/New_York", "2025-03-09"),
    Case("missing hour, two times in it", "0,30 2 * * *", "Europe/Oslo", "2025-03-30"),
    Case("missing hour, every 10 minutes of it", "*/10 2 * * *", "Europe/Oslo", "2025-03-30"),
    Case("missing hour, hourly", "0 1-4 * * *", "Europe/Oslo", "2025-03-30"),
    Case("missing midnight", "0 0 * * *", "Africa/Cairo", "2025-04-25"),
    Case("missing half hour", "15 2 * * *", "Australia/Lord_Howe", "2025-10-05"),
    Case("repeated hour, one time in it", "30 1 * * *", "America/New_York", "2025-11-02"),
    Case("repeated hour, every half of it", "*/30 1 * * *", "America/New_York", "2025-11-02"),
    Case("repeated hour, hourly", "0 1-3 * * *", "Europe/Oslo", "2025-10-26"),
    Case("repeated midnight", "30 23 * * *", "Africa/Cairo", "2025-10-30"),
    Case("repeated half hour", "45 1 * * *", "Australia/Lord_Howe", "2025-04-06"),
    Case("no change of clocks", "30 2 * * *", "Asia/Kathmandu", "2025-06-01"),
]
CALENDAR = [
    Case("the 31st", "0 0 31 * *", "UTC", "2025-01-31", 130),
    Case("February 29", "0 0 29 2 *", "UTC", "2025-01-01", 2600),
    Case("day of month or of week", "0 0 13 * 5", "UTC", "2025-06-10", 11),
    Case("a star in one of them: and", "0 0 */10 * 1", "UTC", "2025-09-01", 45),
    Case("7 is Sunday", "0 0 * * 7", "UTC", "2025-06-01", 8),
    Case("names", "0 0 * jun sun", "UTC", "2025-06-01", 8),
]

HEAD = """\
# Cron: expressions, time zones, changes of the clocks

<!-- Printed by `python tests/cron_table.py`; do not edit. -->

`modal.Cron` takes any string; what Modal's server accepts beyond a crontab's five fields is not
published. The emulator reads expressions with [cronsim](https://github.com/cuu508/cronsim), that is
as Debian's cron does: five fields, `*`, lists, ranges, steps, names of months and days, 0 and 7 for
Sunday. `L` and `#` are understood with a warning. Six fields, nicknames such as `@daily`, and days
that never come are refused when an app is deployed, and so are time zones that IANA does not have.
The words of these refusals are the emulator's own. `modal_emulator.cron.preview` lists the times of
an expression.

## When the clocks change

A day may lack an hour, or have one twice. What Modal does with times in it is **not known**: the
default, `debian`, is a guess, and `dst_policy` chooses another. An expression whose minute or hour
begins with a star goes by elapsed time under every policy. No schedule fires twice at one instant.

| policy | a time that does not come | a time that comes twice |
| --- | --- | --- |
| `debian` | runs at the first moment after the gap | runs in the first pass |
| `skip` | does not run | runs in the first pass |
| `repeat` | does not run | runs in both passes |
| `shift` | runs later by the length of the gap | runs in the first pass |

The runs of one day, as the wall shows them, computed by the emulator under each policy and by two
engines for Python ([cronsim](https://pypi.org/project/cronsim/),
[croniter](https://pypi.org/project/croniter/)):
"""

ELSEWHERE = """\

## Other engines

Not computed, but as their documentation and tests say:

| engine | a time that does not come | a time that comes twice | nearest policy |
| --- | --- | --- | --- |
| Debian's cron | runs soon after the change | runs once; stars go by elapsed time | `debian` |
| robfig/cron, in Kubernetes' CronJobs | does not run | runs twice | `repeat` |
| Amazon EventBridge Scheduler | does not run | runs once | `skip` |
| java.time, where a time is made of date and zone | later by the gap | the earlier one | `shift` |
| Quartz | may not run | may run twice | none: its documentation advises against such times |

## The calendar

The first runs from a date on, at midnight UTC; the policies agree.
"""


def ours(policy: DstPolicy) -> Callable[[Case, datetime], Iterator[datetime]]:
    def times(case: Case, start: datetime) -> Iterator[datetime]:
        due = cron_times(Cron(case.expression, case.zone), start.timestamp() - 1, policy)
        return (datetime.fromtimestamp(t, start.tzinfo) for t in due)

    return times


def with_cronsim(case: Case, start: datetime) -> Iterator[datetime]:
    return CronSim(case.expression, start - timedelta(seconds=1))


def with_croniter(case: Case, start: datetime) -> Iterator[datetime]:
    return croniter(case.expression, start - timedelta(seconds=1), ret_type=datetime)


ENGINES = {"cronsim": with_cronsim, "croniter": with_croniter}
COLUMNS = {**{f"`{policy.value}`": ours(policy) for policy in DstPolicy}, **ENGINES}


def runs(times: Callable[[Case, datetime], Iterator[datetime]], case: Case) -> list[datetime]:
    """Return what is due from the start on for so many days, in the zone of the case."""
    start = datetime.fromisoformat(case.start).replace(tzinfo=ZoneInfo(case.zone))
    end = (start + timedelta(days=case.days)).timestamp()
    return list(takewhile(lambda t: t.timestamp() < end, islice(times(case, start), 50)))


def clock(times: Iterable[datetime]) -> str:
    """Show times of one day; where the hour says too little, with the offset."""
    return ", ".join(f"{t:%H:%M}{_offset(t)}" for t in times) or "none"


def _offset(t: datetime) -> str:
    other = t.replace(fold=1 - t.fold)
    if other.utcoffset() == t.utcoffset():
        return ""
    return f" ({'second' if t.fold else 'first'})"


def dates(times: Iterable[datetime]) -> str:
    return ", ".join(f"{t:%Y-%m-%d}" for t in islice(times, 3)) or "none"


def page() -> str:
    """Return the whole page."""
    lines = [HEAD, *_row(["", *COLUMNS]), *_row(["---"] * (len(COLUMNS) + 1))]
    for case in CHANGES:
        name = f"{case.what}: `{case.expression}`, {case.zone}, {case.start}"
        lines += _row([name, *(clock(_utc_back(runs(of, case))) for of in COLUMNS.values())])
    lines += [ELSEWHERE]
    columns = {"the emulator": ours(DstPolicy.DEBIAN), **ENGINES}
    lines += [*_row(["", *columns]), *_row(["---"] * (len(columns) + 1))]
    for case in CALENDAR:
        name = f"{case.what}: `{case.expression}`"
        lines += _row([name, *(dates(runs(of, case)) for of in columns.values())])
    return "\n".join(lines) + "\n"


def _utc_back(times: list[datetime]) -> list[datetime]:
    """Read the wall at the same instants, as some engines give times that do not exist."""
    return [t.astimezone(timezone.utc).astimezone(t.tzinfo) for t in times]


def _row(cells: list[str]) -> list[str]:
    return ["| " + " | ".join(cells) + " |"]


def main(arguments: list[str]) -> int:
    """Print the page, or compare it with the one at hand."""
    if not arguments:
        sys.stdout.write(page())
        return 0
    _, path = arguments
    if Path(path).read_text() == page():
        return 0
    print(f"{path} is stale: run `python tests/cron_table.py > {path}`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

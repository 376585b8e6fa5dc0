"""
The clock, schedules and runs as text for people: tables, with colours on a terminal.

All instants are in UTC, as the clock is. Names come from users' programs; what a terminal would
obey in them is shown as escapes.
"""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from modal_emulator.ground.instants import aware, parse_instant

__all__ = ["clock", "coming", "runs", "schedules"]

Row = Mapping[str, Any]
MOST = 100
"""More runs than these are not listed but counted: a year has many."""
MOST_ERRORS = 10
WIDE = 110
"""A terminal with fewer columns has no room for the ids of containers."""

_CRON = re.compile(r"Cron\('(.*)', timezone='(.*)'\)")
_COLOURS = {"success": "green", "queued": "", "running": "", "waiting": "yellow"}


def clock(found: Row) -> None:
    """Print what time it is and how time runs."""
    how = {
        "real": "the machine's time",
        "frozen": "standing",
        "offset": "running",
        "accelerated": f"running {found['rate']:g} times as fast",
    }
    click.echo(f"{click.style(_when(found['now']) + ' UTC', bold=True)}  {how[found['mode']]}")


def schedules(found: Sequence[Row]) -> None:
    """Print one line for each schedule."""
    if not found:
        click.echo("There are no schedules.")
        return
    rows = [
        (_name(row), _schedule(row["schedule"]), _next(row), str(row["runs"]), _last(row))
        for row in found
    ]
    _print("Function Schedule Next Runs Last".split(), rows)


def coming(found: Sequence[Row]) -> None:
    """Print one line for each run that comes."""
    if not found:
        click.echo("No schedule is due.")
        return
    rows = [(Text(_when(r["next"])), _name(r), _schedule(r["schedule"])) for r in found]
    _print("Due Function Schedule".split(), rows)


def runs(found: Sequence[Row], *, none: str) -> None:
    """Print one line for each run, or of many the newest, and in how many of them it failed."""
    if not found:
        click.echo(none)
        return
    rows = [
        (
            Text(_when(row["due"])),
            _name(row),
            Text(_started(row)),
            _status(row),
            Text(row["container_id"] or "-"),
        )
        for row in found[-MOST:]
    ]
    columns = "Due Function Started Result Container".split()
    shown = 4 if sys.stdout.isatty() and Console().width < WIDE else 5
    _print(columns[:shown], [row[:shown] for row in rows])
    if len(found) > MOST:
        failed = sum(row["status"] != "success" for row in found)
        click.echo(f"The newest {MOST} of {len(found)} runs; {failed} did not succeed.")
    errors = Counter((_name(row).plain, row["error"]) for row in found if row["error"])
    for (name, error), count in list(errors.items())[-MOST_ERRORS:]:
        times = "" if count == 1 else f" ({count} times)"
        click.secho(f"{name}: {_plain(error)}{times}", fg="red")


def _print(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        wraps = column in ("Function", "Schedule")
        table.add_column(
            column,
            justify="right" if column == "Runs" else "left",
            no_wrap=not wraps,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    # A pipe takes whole lines; only a terminal has a width to keep to.
    width = None if sys.stdout.isatty() else 1000
    Console(width=width, highlight=False).print(table)


def _name(row: Row) -> Text:
    return Text(_plain(f"{row['app']}/{row['function']}"))


def _schedule(text: str) -> Text:
    found = _CRON.fullmatch(text)
    if found is None:
        return Text(_plain(text))
    zone = "" if found[2] in ("", "UTC") else f" {found[2]}"
    return Text(_plain(f"{found[1]}{zone}"))


def _next(row: Row) -> Text:
    if row["paused"]:
        return Text("paused", style="yellow")
    if not row["fires"]:
        return Text("not deployed", style="dim")
    return Text(_when(row["next"]) if row["next"] else "never")


def _last(row: Row) -> Text:
    return _status(row["last"]) if row["last"] else Text("-")


def _status(row: Row) -> Text:
    return Text(row["status"], style=_COLOURS.get(row["status"], "red"))


def _started(row: Row) -> str:
    """Say when a run started; the day only if it is another one than that on which it was due."""
    if row["started_at"] is None:
        return "-"
    due, started = _when(row["due"]), _when(row["started_at"])
    return started[11:] if due[:10] == started[:10] else started


def _when(text: str) -> str:
    return aware(parse_instant(text)).strftime("%Y-%m-%d %H:%M:%S")


def _plain(text: str) -> str:
    """Return text that no terminal takes for a command."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

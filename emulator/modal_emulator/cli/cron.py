"""The commands `cron …`: the schedules of a running server, and when an expression is due."""

import json
from datetime import datetime
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from modal_emulator.cli import time_text
from modal_emulator.cli.reaching import json_option, on_running, telling

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["cron"]

SOME = 10


@click.group()
def cron() -> None:
    """
    List, run, pause and resume the schedules of a running server.

    A schedule is named by its function, by app/function, or by its app; no NAME means all.
    """


@cron.command("list")
@on_running
@json_option
def list_(remote: "Remote", as_json: bool) -> None:
    """List all schedules."""
    _schedules(remote.ask("CronList"), as_json)


@cron.command("next")
@on_running
@click.argument("count", type=click.IntRange(min=1), default=SOME)
@json_option
def next_(remote: "Remote", count: int, as_json: bool) -> None:
    """List the COUNT runs that come next, by default ten."""
    found = remote.ask("CronNext", count=count)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        time_text.coming(found["schedules"])


@cron.command()
@on_running
@click.argument("name", default="")
@click.option("-n", "newest", type=click.IntRange(min=1), help="The newest so many only.")
@json_option
def history(remote: "Remote", name: str, newest: int | None, as_json: bool) -> None:
    """List the runs that were, the oldest first."""
    _runs(remote.ask("CronHistory", name=name, newest=newest), as_json, "Nothing ran.")


@cron.command("run-now")
@on_running
@click.argument("function")
@json_option
def run_now(remote: "Remote", function: str, as_json: bool) -> None:
    """Run FUNCTION as its schedule would, and say what came of it; also if it is paused."""
    _runs(remote.wait("CronRunNow", name=function), as_json, "Nothing ran.")


@cron.command()
@on_running
@click.argument("name", default="")
@json_option
def pause(remote: "Remote", name: str, as_json: bool) -> None:
    """Let schedules not fire until they are resumed. Modal itself cannot do that."""
    _schedules(remote.ask("CronPause", name=name), as_json)


@cron.command()
@on_running
@click.argument("name", default="")
@json_option
def resume(remote: "Remote", name: str, as_json: bool) -> None:
    """Let schedules fire again, from now on."""
    _schedules(remote.ask("CronResume", name=name), as_json)


@cron.command()
@click.argument("expression")
@click.option("--tz", default="UTC", show_default=True, help="The schedule's time zone.")
@click.option("--start", help="From this instant on, by default from now.")
@click.option("--end", help="Before this instant; without it, and without -n, ten times.")
@click.option("-n", "count", type=click.IntRange(min=1), help="At most so many times.")
@click.option(
    "--dst-policy",
    type=click.Choice(["debian", "skip", "repeat", "shift"]),
    default="debian",
    show_default=True,
    help="What becomes of times that a change of the clocks leaves out or repeats.",
)
@json_option
def preview(
    expression: str,
    tz: str,
    start: str | None,
    end: str | None,
    count: int | None,
    dst_policy: str,
    as_json: bool,
) -> None:
    """
    List when Cron(EXPRESSION, timezone=TZ) is due. It needs no server.

    Instants without a time zone are in that of the schedule.
    """
    with telling():
        times = _times(expression, tz, start, end, dst_policy)
        found = list(islice(times, count or (None if end else SOME)))
    if as_json:
        click.echo(json.dumps([time.isoformat() for time in found], indent=2))
    else:
        if not found:
            click.echo("It is not due.")
        for time in found:
            click.echo(time.strftime("%Y-%m-%d %H:%M %a %Z"))


def _times(expression: str, tz: str, start: str | None, end: str | None, policy: str) -> Any:
    from modal_emulator.ground.clock import machine_time
    from modal_emulator.ground.instants import LATEST, parse_instant
    from modal_emulator.schedule.cron import DstPolicy, check_cron, cron_times
    from modal_emulator.store.schedules import Cron

    cron = Cron(expression, tz)
    check_cron(cron)
    zone = ZoneInfo(tz or "UTC")
    begin = machine_time() if start is None else parse_instant(start, zone) - 1e-6
    last = LATEST if end is None else parse_instant(end, zone)
    times = takewhile(lambda at: at < last, cron_times(cron, begin, DstPolicy(policy)))
    return (datetime.fromtimestamp(at, zone) for at in times)


def _schedules(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        time_text.schedules(found["schedules"])


def _runs(found: dict[str, Any], as_json: bool, none: str) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        time_text.runs(found["runs"], none=none)

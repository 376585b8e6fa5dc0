"""
The commands `clock …`: what time it is in a running server, saying that it is another, and letting
time pass.
"""

import json
from typing import TYPE_CHECKING, Any

import click

from modal_emulator.cli import time_text
from modal_emulator.cli.reaching import instant, json_option, on_running, span

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["clock"]

RATE = click.FloatRange(0, min_open=True)


@click.group()
def clock() -> None:
    """
    Look at the clock of a running server, and set or move it.

    freeze, run and resume say that it is another time: nothing fires. advance, move-to and next
    let time pass: what is due on the way runs, each at its own instant, and the command returns
    when that is over. Instants are ISO 8601, in UTC without a time zone.
    """


@clock.command()
@on_running
@json_option
def show(remote: "Remote", as_json: bool) -> None:
    """Say what time it is, and how time runs."""
    _tell(remote.ask("ClockShow"), as_json)


@clock.command()
@on_running
@click.argument("at", metavar="[INSTANT]", type=instant, required=False)
@json_option
def freeze(remote: "Remote", at: float | None, as_json: bool) -> None:
    """Say that it is INSTANT, by default what it is, and let the clock stand."""
    _tell(remote.ask("ClockSet", at=at, rate=0), as_json)


@clock.command()
@on_running
@click.option("--at", type=instant, help="Say that it is this instant.")
@click.option(
    "--rate", type=RATE, default=1.0, show_default=True, help="Run so many times as fast."
)
@json_option
def run(remote: "Remote", at: float | None, rate: float, as_json: bool) -> None:
    """Let time run, from an instant or from what it is."""
    _tell(remote.ask("ClockSet", at=at, rate=rate), as_json)


@clock.command()
@on_running
@json_option
def resume(remote: "Remote", as_json: bool) -> None:
    """Follow the machine's time again."""
    _tell(remote.ask("ClockResume"), as_json)


@clock.command()
@on_running
@click.argument("seconds", metavar="SPAN", type=span)
@json_option
def advance(remote: "Remote", seconds: float, as_json: bool) -> None:
    """Let SPAN pass, such as 90s, 15m, 1h30m, 3d or 2w, and list what fired."""
    _tell(remote.wait("ClockAdvance", seconds=seconds), as_json)


@clock.command("move-to")
@on_running
@click.argument("at", metavar="INSTANT", type=instant)
@json_option
def move_to(remote: "Remote", at: float, as_json: bool) -> None:
    """Let time pass until INSTANT, and list what fired."""
    _tell(remote.wait("ClockMoveTo", at=at), as_json)


@clock.command("next")
@on_running
@json_option
def next_(remote: "Remote", as_json: bool) -> None:
    """Let time pass until the next schedule is due, and list what fired."""
    _tell(remote.wait("ClockRunNext"), as_json)


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if "fired" in found:
        time_text.runs(found["fired"], none="Nothing fired.")
    time_text.clock(found)

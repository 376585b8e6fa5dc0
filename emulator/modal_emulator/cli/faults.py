"""The commands `faults …`: what is to break in a running server, and what did."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modal_emulator.cli.reaching import json_option, on_running

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["faults"]

NEWEST = 20


@click.group()
def faults() -> None:
    """
    Plan faults in a running server, and list what they did.

    docs/reference/faults.md says what can happen, and what can be said of it.
    """


@faults.command("list")
@on_running
@json_option
def list_(remote: "Remote", as_json: bool) -> None:
    """List what may happen still, and what happened."""
    found = remote.ask("FaultsList")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    _tell("planned", found)
    for each in found["struck"][-NEWEST:]:
        who = each["function"] or each["container_id"] or "a client"
        click.echo(f"struck {each['at']}  {each['moment']} {each['name']} by {who}: {each['plan']}")


@faults.command()
@on_running
@click.argument("what")
@click.argument("options", nargs=-1)
def add(remote: "Remote", what: str, options: tuple[str, ...]) -> None:
    """
    Plan that WHAT happens, such as `error VolumeCommit status=UNAVAILABLE times=2`.

    OPTIONS are NAME=VALUE; the first of each fault, mostly the RPC, may go without its name.
    """
    _tell("planned", remote.ask("FaultsAdd", line=shlex.join((what, *options))))


@faults.command()
@on_running
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(remote: "Remote", file: Path) -> None:
    """Plan what FILE says, in TOML, in place of what is left of the file before."""
    _tell("planned", remote.ask("FaultsLoad", text=file.read_text("utf-8")))


@faults.command()
@on_running
def clear(remote: "Remote") -> None:
    """Forget all plans."""
    _tell("forgotten", remote.ask("FaultsClear"))


def _tell(state: str, found: dict[str, Any]) -> None:
    for plan in found["plans"]:
        click.echo(f"{state}: {plan}")
    if not found["plans"]:
        click.echo(f"{state}: nothing")

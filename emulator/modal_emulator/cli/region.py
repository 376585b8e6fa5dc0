"""The commands `region …`: regions of a running server, taken down and brought up."""

import json
from typing import TYPE_CHECKING, Any

import click

from modal_emulator.cli.reaching import json_option, on_running

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["region"]


@click.group()
def region() -> None:
    """
    List the regions of a running server, take them down and bring them up.

    NAME is a narrow region, such as us-east-1, or a broad one, such as us-east or eu.
    """


@region.command("list")
@on_running
@json_option
def list_(remote: "Remote", as_json: bool) -> None:
    """List all regions: cloud, state, and how many containers run there."""
    found = remote.ask("RegionList")["regions"]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for each in found:
        state = "up" if each["is_up"] else "down"
        where = ", ".join(each["within"])
        click.echo(
            f"{each['name']:<18}{each['cloud']:<5}{state:<6}{each['containers']:>3}  {where}"
        )


@region.command()
@on_running
@click.argument("name")
def down(remote: "Remote", name: str) -> None:
    """Take region NAME down: its containers are lost, their inputs begin elsewhere or wait."""
    _tell("down", remote.wait("RegionDown", name=name))


@region.command()
@on_running
@click.argument("name")
def up(remote: "Remote", name: str) -> None:
    """Bring region NAME up again; what waited for it begins."""
    _tell("up", remote.ask("RegionUp", name=name))


def _tell(state: str, found: dict[str, Any]) -> None:
    click.echo(f"{state}: {', '.join(found[state])}")

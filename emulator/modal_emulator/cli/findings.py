"""The command `findings`: what went wrong so far in a running server."""

import json
from typing import TYPE_CHECKING

import click

from modal_emulator.cli.reaching import json_option, on_running

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["findings"]


@click.command()
@on_running
@json_option
def findings(remote: "Remote", as_json: bool) -> None:
    """
    List storage bugs that showed in a running server so far, such as stale reads.

    The server remembers its newest 100,000 events; what went wrong before them is not listed.
    docs/guide/findings.md says what is found.
    """
    found = remote.ask("FindingsList")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for each in found["findings"]:
        click.echo(f"{each['at']}  {each['subject']}: {each['title']}")
        for line in each["text"]:
            click.echo(f"  {line}")
    if not found["findings"]:
        click.echo("Nothing was found.")

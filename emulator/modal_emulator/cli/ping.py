"""The command `ping`: whether a server answers, for health checks."""

from typing import TYPE_CHECKING

import click

from modal_emulator.cli.reaching import on_running

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["ping"]


@click.command()
@on_running
def ping(remote: "Remote") -> None:
    """
    Say whether a server answers.

    Exit code 0 if it does; else 1, with the reason on stderr.
    """
    remote.ask("Hello")
    click.echo(f"{remote.url} answers.")

"""The commands `proxy …`: proxies of a running server, which Modal's command cannot make."""

import json
from typing import TYPE_CHECKING, Any

import click

from modal_emulator.cli.reaching import json_option, on_running

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["proxy"]

MOST = 5
environment_option = click.option(
    "--env", "environment", default="", help="The environment; the default one without it."
)


@click.group()
def proxy() -> None:
    """Make, list and delete the proxies of a running server; on Modal, the dashboard does that."""


@proxy.command()
@on_running
@click.argument("name")
@click.option("--addresses", type=click.IntRange(1, MOST), default=1, help="How many it has.")
@environment_option
@json_option
def create(remote: "Remote", name: str, addresses: int, environment: str, as_json: bool) -> None:
    """Make a proxy, and say what addresses to allow."""
    made = remote.ask("ProxyCreate", name=name, environment=environment, addresses=addresses)
    _show([made], as_json)


@proxy.command("list")
@on_running
@json_option
def list_(remote: "Remote", as_json: bool) -> None:
    """List the proxies of all environments."""
    _show(remote.ask("ProxyList")["proxies"], as_json)


@proxy.command()
@on_running
@click.argument("name")
@environment_option
def delete(remote: "Remote", name: str, environment: str) -> None:
    """Delete a proxy; containers that run keep its address."""
    remote.ask("ProxyDelete", name=name, environment=environment)
    click.echo(f"Proxy {name} was deleted.")


def _show(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("There is no proxy.")
    for each in found:
        where = ", ".join(each["addresses"])
        click.echo(f"{each['name']:<24}{each['environment']:<16}{where}")

"""The commands `web …`: the web functions of a running server, and tokens for their clients."""

import json
from typing import TYPE_CHECKING, Any

import click

from modal_emulator.cli.reaching import json_option, on_running

if TYPE_CHECKING:
    from modal_emulator.rpc.remote import Remote

__all__ = ["web"]


@click.group()
def web() -> None:
    """Show the web functions of a running server, and make tokens for them."""


@web.command("list")
@on_running
@json_option
def list_(remote: "Remote", as_json: bool) -> None:
    """List the web functions that are answered: where they are, and what they were on Modal."""
    found = remote.ask("WebList")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found["functions"]:
        click.echo("No web function is answered.")
    for row in found["functions"]:
        lock = "  (asks for a proxy token)" if row["proxy_auth"] else ""
        click.echo(f"{row['app']}/{row['function']} in {row['environment']}{lock}")
        click.echo(f"    {row['loopback_url']}")
        click.echo(f"    {row['modal_url']}")
    if found["port_by_name"]:
        click.echo(f"All are answered by name at 127.0.0.1:{found['port_by_name']}.")
        click.echo(f"Who speaks TLS with them trusts {found['certificate']}.")


@web.group()
def token() -> None:
    """Make, list and delete proxy tokens."""


@token.command()
@on_running
@click.option("--name", default="", help="To know it by.")
@json_option
def create(remote: "Remote", name: str, as_json: bool) -> None:
    """Make a proxy token. Its secret is told this once."""
    made = remote.ask("WebTokenCreate", name=name)
    key, secret = made["token_id"], made["token_secret"]
    headers = {
        "Modal-Key": key,
        "Modal-Secret": secret,
        "Authorization": f"Bearer {key}.{secret}",
    }
    if as_json:
        click.echo(json.dumps(headers, indent=2))
        return
    click.echo(f"Modal-Key: {key}")
    click.echo(f"Modal-Secret: {secret}")
    click.echo("or, as one header:")
    click.echo(f"Authorization: {headers['Authorization']}")


@token.command("list")
@on_running
@json_option
def list_tokens(remote: "Remote", as_json: bool) -> None:
    """List the proxy tokens, without their secrets."""
    found: dict[str, Any] = remote.ask("WebTokenList")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for row in found["tokens"]:
        click.echo(f"{row['token_id']}  {row['created_at']}  {row['name']}".rstrip())


@token.command()
@on_running
@click.argument("token_id")
def delete(remote: "Remote", token_id: str) -> None:
    """Let a proxy token be good for nothing any more."""
    remote.ask("WebTokenDelete", token_id=token_id)
    click.echo(f"Deleted {token_id}.")

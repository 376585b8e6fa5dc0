"""The part of the service beside Modal's that is about the web: addresses, and proxy tokens."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from modal_emulator.ground.instants import show_instant
from modal_emulator.store.web_tokens import WebToken
from modal_emulator.world import World

__all__ = ["METHODS"]

Asked = Mapping[str, Any]  # what JSON can hold
Row = dict[str, Any]


def web_list(world: World, _asked: Asked) -> Row:
    """List the web functions that are answered."""
    return {
        "functions": [asdict(record) for record in world.web.records()],
        "port_by_name": world.web.port_by_name,
        "certificate": str(world.authority.file) if world.web.port_by_name else "",
    }


def web_token_create(world: World, asked: Asked) -> Row:
    """Make a proxy token; its secret is told here and nowhere else."""
    token, secret = world.web_tokens.create(str(asked.get("name", "")))
    return {**_row(token), "token_secret": secret}


def web_token_list(world: World, _asked: Asked) -> Row:
    """List the proxy tokens."""
    return {"tokens": [_row(token) for token in world.web_tokens.list()]}


def web_token_delete(world: World, asked: Asked) -> Row:
    """Let a proxy token be good for nothing any more."""
    world.web_tokens.delete(str(asked.get("token_id", "")))
    return {}


def _row(token: WebToken) -> Row:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "created_at": show_instant(token.created_at),
    }


METHODS: dict[str, Callable[[World, Asked], Row]] = {
    "WebList": web_list,
    "WebTokenCreate": web_token_create,
    "WebTokenList": web_token_list,
    "WebTokenDelete": web_token_delete,
}

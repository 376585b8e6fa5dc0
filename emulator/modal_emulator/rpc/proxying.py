"""The part of the service beside Modal's that is about proxies."""

from collections.abc import Callable, Mapping
from typing import Any

from modal_emulator.store.names import Creation
from modal_emulator.store.proxies import Proxy
from modal_emulator.world import World

__all__ = ["METHODS"]

Asked = Mapping[str, Any]  # what JSON can hold
Row = dict[str, Any]


def proxy_list(world: World, asked: Asked) -> Row:
    """List the proxies of an environment, or of all."""
    return {"proxies": [_row(each) for each in world.proxies.list(asked.get("environment"))]}


def proxy_create(world: World, asked: Asked) -> Row:
    """Make a proxy."""
    creation = Creation.CREATE_FAIL_IF_EXISTS
    made = world.proxies.get_or_create(asked["name"], asked["environment"], creation)
    for _ in range(1, asked["addresses"]):
        world.proxies.add_address(made.proxy_id)
    return _row(world.proxies.get(made.proxy_id))


def proxy_delete(world: World, asked: Asked) -> Row:
    """Delete a proxy."""
    found = world.proxies.get_or_create(asked["name"], asked["environment"], Creation.LOOKUP)
    world.proxies.delete(found.proxy_id)
    return _row(found)


def _row(proxy: Proxy) -> Row:
    return {
        "name": proxy.name,
        "environment": proxy.environment,
        "addresses": [address.ip for address in proxy.addresses],
        "created_at": proxy.created_at,
        "proxy_id": proxy.proxy_id,
    }


METHODS: dict[str, Callable[[World, Asked], Row]] = {
    "ProxyList": proxy_list,
    "ProxyCreate": proxy_create,
    "ProxyDelete": proxy_delete,
}

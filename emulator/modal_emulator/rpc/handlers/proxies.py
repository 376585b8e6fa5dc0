"""Proxies: addresses that containers' connections come from."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.creation import creation
from modal_emulator.rpc.tables import Rpc, full
from modal_emulator.store.names import Creation
from modal_emulator.store.proxies import Address, Proxy
from modal_emulator.world import World

__all__ = ["RPCS"]


async def proxy_get(world: World, call: Call[api_pb2.ProxyGetRequest]) -> api_pb2.ProxyGetResponse:
    """Find a proxy by name."""
    asked = call.request
    found = world.proxies.get_or_create(asked.name, asked.environment_name, Creation.LOOKUP)
    return api_pb2.ProxyGetResponse(proxy=_proxy(found))


async def proxy_get_or_create(
    world: World, call: Call[api_pb2.ProxyGetOrCreateRequest]
) -> api_pb2.ProxyGetOrCreateResponse:
    """Find or make a proxy by name."""
    asked = call.request
    found = world.proxies.get_or_create(
        asked.deployment_name, asked.environment_name, creation(asked.object_creation_type)
    )
    return api_pb2.ProxyGetOrCreateResponse(proxy_id=found.proxy_id)


async def proxy_create(
    world: World, call: Call[api_pb2.ProxyCreateRequest]
) -> api_pb2.ProxyCreateResponse:
    """Make a proxy, which on Modal is done in the dashboard."""
    asked = call.request
    made = world.proxies.get_or_create(
        asked.name,
        asked.environment_name,
        Creation.CREATE_FAIL_IF_EXISTS,
        region=getattr(asked, "region", ""),
    )
    return api_pb2.ProxyCreateResponse(proxy=_proxy(made))


async def proxy_list(world: World, _call: Call[Empty]) -> api_pb2.ProxyListResponse:
    """List the proxies of all environments."""
    return api_pb2.ProxyListResponse(proxies=[_proxy(each) for each in world.proxies.list()])


async def proxy_delete(world: World, call: Call[api_pb2.ProxyDeleteRequest]) -> Empty:
    """Delete a proxy."""
    world.proxies.delete(call.request.proxy_id)
    return Empty()


async def proxy_add_ip(
    world: World, call: Call[api_pb2.ProxyAddIpRequest]
) -> api_pb2.ProxyAddIpResponse:
    """Give a proxy one more address."""
    proxy = world.proxies.get(call.request.proxy_id)
    added = world.proxies.add_address(proxy.proxy_id)
    return api_pb2.ProxyAddIpResponse(proxy_ip=_ip(added, proxy))


async def proxy_remove_ip(world: World, call: Call[api_pb2.ProxyRemoveIpRequest]) -> Empty:
    """Take an address from the proxy that has it."""
    world.proxies.remove_address(call.request.proxy_ip)
    return Empty()


def _proxy(proxy: Proxy) -> api_pb2.Proxy:
    return known(
        api_pb2.Proxy,
        name=proxy.name,
        created_at=proxy.created_at,
        environment_name=proxy.environment,
        proxy_ips=[_ip(address, proxy) for address in proxy.addresses],
        proxy_id=proxy.proxy_id,
        region=proxy.region,
    )


def _ip(address: Address, proxy: Proxy) -> api_pb2.ProxyIp:
    return api_pb2.ProxyIp(
        proxy_ip=address.ip,
        status=api_pb2.PROXY_IP_STATUS_ONLINE,
        created_at=address.created_at,
        environment_name=proxy.environment,
    )


RPCS: dict[str, Rpc] = {
    "ProxyGet": full(proxy_get),
    "ProxyGetOrCreate": full(proxy_get_or_create),
    "ProxyCreate": full(proxy_create),
    "ProxyList": full(proxy_list),
    "ProxyDelete": full(proxy_delete),
    "ProxyAddIp": full(proxy_add_ip),
    "ProxyRemoveIp": full(proxy_remove_ip),
}

"""Tunnels, which containers open with `modal.forward`."""

from __future__ import annotations

from modal_proto import api_pb2

from modal_emulator.ground.errors import Conflict
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.tables import Rpc, full
from modal_emulator.world import World

__all__ = ["RPCS"]

_H2 = getattr(api_pb2, "TUNNEL_TYPE_H2", None)


async def tunnel_start(
    world: World, call: Call[api_pb2.TunnelStartRequest]
) -> api_pb2.TunnelStartResponse:
    """Open a port of the container that calls."""
    asked = call.request
    tunnel = await world.network.forward(
        _caller(call),
        asked.port,
        with_plain=asked.unencrypted,
        offers_h2=_H2 is not None and getattr(asked, "tunnel_type", None) == _H2,
    )
    plain = tunnel.plain
    return known(
        api_pb2.TunnelStartResponse,
        host=tunnel.secure.host,
        port=tunnel.secure.port,
        unencrypted_host=plain.host if plain else None,
        unencrypted_port=plain.port if plain else None,
    )


async def tunnel_stop(
    world: World, call: Call[api_pb2.TunnelStopRequest]
) -> api_pb2.TunnelStopResponse:
    """Close a port of the container that calls."""
    exists = world.network.tunnels.stop(_caller(call), call.request.port)
    return api_pb2.TunnelStopResponse(exists=exists)


def _caller(call: Call[api_pb2.TunnelStartRequest] | Call[api_pb2.TunnelStopRequest]) -> str:
    if call.container_id is None:
        raise Conflict("Forwarding ports only works inside a Modal container")
    return call.container_id


RPCS: dict[str, Rpc] = {
    "TunnelStart": full(tunnel_start),
    "TunnelStop": full(tunnel_stop),
}

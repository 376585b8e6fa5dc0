"""All tables in one: which RPC is answered by whom."""

from collections.abc import Mapping
from functools import cache

from modal_emulator.rpc.handlers import (
    apps,
    auth,
    blobs,
    calls,
    containers,
    deployments,
    dicts,
    environments,
    executions,
    functions,
    images,
    logs,
    mounts,
    observing,
    proxies,
    queues,
    sandboxes,
    secrets,
    tunnels,
    volumes,
    web_tokens,
)
from modal_emulator.rpc.tables import Rpc

__all__ = ["FAMILIES", "rpcs"]

FAMILIES: Mapping[str, Mapping[str, Rpc]] = {
    "Authentication": auth.RPCS,
    "Environments": environments.RPCS,
    "Volumes": volumes.RPCS,
    "Secrets": secrets.RPCS,
    "Dicts": dicts.RPCS,
    "Queues": queues.RPCS,
    "Apps": {**apps.RPCS, **deployments.RPCS},
    "Functions and classes": {**functions.RPCS, **observing.RPCS},
    "Function calls": calls.RPCS,
    "Containers": containers.RPCS,
    "Tunnels": tunnels.RPCS,
    "Proxies": proxies.RPCS,
    "Commands in containers": executions.RPCS,
    "Proxy tokens": web_tokens.RPCS,
    "Sandboxes": sandboxes.RPCS,
    "Logs": logs.RPCS,
    "Images": images.RPCS,
    "Mounts": mounts.RPCS,
    "Blobs": blobs.RPCS,
}


@cache
def rpcs() -> Mapping[str, Rpc]:
    """Return every RPC that is answered, by name."""
    merged: dict[str, Rpc] = {}
    for family in FAMILIES.values():
        merged.update(family)
    return merged

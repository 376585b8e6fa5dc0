"""
Definitions of Sandboxes as the SDK sends them, and what the emulator reads in them.

What a definition asks for and the emulator would have to ignore is refused here, by name: code that
nobody trusts must not run with the network open that was to be closed.
"""

from collections.abc import Callable
from typing import Any

from modal_proto import api_pb2

from modal_emulator.ground.errors import NotBuilt
from modal_emulator.rpc.commands import environment_of, terminal_of
from modal_emulator.rpc.compat import has
from modal_emulator.rpc.definitions import placement_of
from modal_emulator.rpc.volume_uses import volume_uses
from modal_emulator.runtime.backend import Limits
from modal_emulator.schedule.sandbox import SandboxSpec
from modal_emulator.store.regions import check_placement
from modal_emulator.world import World

__all__ = ["spec_of"]

Definition = api_pb2.Sandbox
_H2 = getattr(api_pb2, "TUNNEL_TYPE_H2", None)
_OPEN = (
    api_pb2.NetworkAccess.UNSPECIFIED,
    api_pb2.NetworkAccess.OPEN,
)

TIMEOUT = 300.0  # modal-semantics 7

REFUSED: tuple[tuple[str, Callable[[Any], object]], ...] = (
    ("block_network=True", lambda d: d.block_network),
    (
        "outbound network rules",
        lambda d: (
            d.network_access.network_access_type not in _OPEN
            or has(d, "outbound_policy")
            or has(d, "experimental_outbound_policy")
        ),
    ),
    ("inbound_cidr_allowlist=", lambda d: getattr(d, "inbound_cidr_allowlist", ())),
    ("i6pn=True", lambda d: d.i6pn_enabled),
    ("CloudBucketMount", lambda d: d.cloud_bucket_mounts or d.s3_mounts),
    ("NetworkFileSystem", lambda d: d.nfs_mounts),
    ("readiness_probe=", lambda d: has(d, "readiness_probe")),
    ("custom_domain=", lambda d: getattr(d, "custom_domain", "")),
    ("include_oidc_identity_token=", lambda d: getattr(d, "include_oidc_identity_token", False)),
    ("runtime='vm'", lambda d: getattr(d, "runtime", "") == "vm"),
    (
        "experimental_options=",
        lambda d: (
            getattr(d, "experimental_options", ()) or getattr(d, "experimental_options_v2", ())
        ),
    ),
)


def spec_of(world: World, definition: Definition, request: Any) -> SandboxSpec:
    """
    Return what the emulator acts on.

    Raises:
        NotBuilt: something was asked for that it does not have.
        Invalid: the volumes cannot all be shown, or there is no such region or cloud.
    """
    for name, asked in REFUSED:
        if asked(definition):
            raise NotBuilt(
                f"modal-emulator does not offer {name} for Sandboxes; see docs/guide/sandboxes.md"
            )
    placement = placement_of(definition)
    check_placement(placement)
    terminal, named = terminal_of(definition.pty_info)
    secrets = dict(world.secrets.environment(tuple(definition.secret_ids)))
    for ephemeral in ("ephemeral_secrets", "environment_variables"):
        for holder in (request, definition):
            if ephemeral in holder.DESCRIPTOR.fields_by_name:
                secrets |= dict(getattr(holder, ephemeral).contents)
    return SandboxSpec(
        arguments=tuple(definition.entrypoint_args),
        name=getattr(definition, "name", ""),
        image_id=definition.image_id,
        mount_ids=tuple(definition.mount_ids),
        environment={**named, **secrets, **environment_of(world, request)},
        volumes=volume_uses(definition.volume_mounts),
        working_directory=definition.workdir,
        terminal=terminal,
        placement=placement,
        proxy_id=definition.proxy_id,
        limits=Limits(definition.resources.memory_mb_max, definition.resources.milli_cpu_max),
        timeout=definition.timeout_secs or TIMEOUT,
        idle_timeout=getattr(definition, "idle_timeout_secs", 0),
        ports=tuple(
            (port.port, port.unencrypted, _H2 is not None and port.tunnel_type == _H2)
            for port in definition.open_ports.ports
        ),
    )

"""Secrets: their values come in here and never leave by here."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.creation import creation, creation_info
from modal_emulator.rpc.paging import page
from modal_emulator.rpc.tables import Rpc, full
from modal_emulator.store.secrets import Secret
from modal_emulator.world import World

__all__ = ["RPCS"]


async def secret_get_or_create(
    world: World, call: Call[api_pb2.SecretGetOrCreateRequest]
) -> api_pb2.SecretGetOrCreateResponse:
    """Find or make a secret by name, or make one that belongs to an app."""
    asked = call.request
    secret = world.secrets.get_or_create(
        name=asked.deployment_name,
        environment=asked.environment_name,
        creation=creation(asked.object_creation_type),
        values=dict(asked.env_dict),
        required_keys=list(asked.required_keys),
        app_id=asked.app_id,
    )
    return known(
        api_pb2.SecretGetOrCreateResponse, secret_id=secret.secret_id, metadata=_metadata(secret)
    )


async def secret_get_info(
    world: World, call: Call[api_pb2.SecretGetInfoRequest]
) -> api_pb2.SecretGetInfoResponse:
    """Describe a secret."""
    return api_pb2.SecretGetInfoResponse(
        metadata=_metadata(world.secrets.get(call.request.secret_id))
    )


async def secret_list(
    world: World, call: Call[api_pb2.SecretListRequest]
) -> api_pb2.SecretListResponse:
    """List the named secrets of an environment, newest first."""
    wanted = page(world, call.request)
    environment = world.environments.get(call.request.environment_name).name
    secrets = world.secrets.list(
        environment, limit=wanted.limit, created_before=wanted.created_before
    )
    return api_pb2.SecretListResponse(
        items=[_item(s) for s in secrets], environment_name=environment
    )


async def secret_update(world: World, call: Call[api_pb2.SecretUpdateRequest]) -> Empty:
    """Add and replace values; an update without a value takes the key away [guess]."""
    updates = {u.key: u.value if u.HasField("value") else None for u in call.request.updates}
    world.secrets.update(call.request.secret_id, updates)
    return Empty()


async def secret_delete(world: World, call: Call[api_pb2.SecretDeleteRequest]) -> Empty:
    """Delete a secret."""
    world.secrets.delete(call.request.secret_id)
    return Empty()


def _metadata(secret: Secret) -> api_pb2.SecretMetadata | None:
    if not hasattr(api_pb2, "SecretMetadata"):
        return None
    return known(
        api_pb2.SecretMetadata,
        name=secret.name,
        creation_info=creation_info(secret.created_at, secret.created_by),
        keys=secret.keys,
        environment_name=secret.environment,
        last_used_at=secret.last_used_at,
    )


def _item(secret: Secret) -> api_pb2.SecretListItem:
    return known(
        api_pb2.SecretListItem,
        label=secret.name,
        created_at=secret.created_at,
        last_used_at=secret.last_used_at,
        environment_name=secret.environment,
        secret_id=secret.secret_id,
        metadata=_metadata(secret),
    )


RPCS: dict[str, Rpc] = {
    "SecretGetOrCreate": full(secret_get_or_create),
    "SecretGetInfo": full(secret_get_info),
    "SecretList": full(secret_list),
    "SecretUpdate": full(secret_update),
    "SecretDelete": full(secret_delete),
}

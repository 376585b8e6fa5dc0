"""Volumes: naming them, committing and reloading. Their files are in `volume_files`."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.creation import creation
from modal_emulator.rpc.handlers import volume_files
from modal_emulator.rpc.handles import volume_metadata
from modal_emulator.rpc.paging import page
from modal_emulator.rpc.tables import Rpc, full, partly
from modal_emulator.store.volumes import Volume
from modal_emulator.world import World

__all__ = ["RPCS"]


async def volume_get_or_create(
    world: World, call: Call[api_pb2.VolumeGetOrCreateRequest]
) -> api_pb2.VolumeGetOrCreateResponse:
    """Find or make a volume by name, or make one without a name."""
    asked = call.request
    volume = world.volumes.get_or_create(
        name=asked.deployment_name,
        environment=asked.environment_name,
        creation=creation(asked.object_creation_type),
        version=asked.version or None,
        app_id=asked.app_id,
    )
    return known(
        api_pb2.VolumeGetOrCreateResponse,
        volume_id=volume.volume_id,
        version=volume.version,
        metadata=volume_metadata(volume),
    )


async def volume_get_by_id(
    world: World, call: Call[api_pb2.VolumeGetByIdRequest]
) -> api_pb2.VolumeGetByIdResponse:
    """Find a volume by its id."""
    volume = world.volumes.get(call.request.volume_id)
    return api_pb2.VolumeGetByIdResponse(
        volume_id=volume.volume_id, metadata=volume_metadata(volume)
    )


async def volume_list(
    world: World, call: Call[api_pb2.VolumeListRequest]
) -> api_pb2.VolumeListResponse:
    """List the named volumes of an environment, newest first."""
    wanted = page(world, call.request)
    environment = world.environments.get(call.request.environment_name).name
    volumes = world.volumes.list(
        environment, limit=wanted.limit, created_before=wanted.created_before
    )
    return api_pb2.VolumeListResponse(
        items=[_item(v) for v in volumes], environment_name=environment
    )


async def volume_rename(world: World, call: Call[api_pb2.VolumeRenameRequest]) -> Empty:
    """Give a volume another name; its id stays."""
    world.volumes.rename(call.request.volume_id, call.request.name)
    return Empty()


async def volume_delete(world: World, call: Call[api_pb2.VolumeDeleteRequest]) -> Empty:
    """Delete a volume and all it holds."""
    world.volumes.delete(call.request.volume_id)
    return Empty()


async def volume_heartbeat(world: World, call: Call[api_pb2.VolumeHeartbeatRequest]) -> Empty:
    """Keep an ephemeral volume alive."""
    world.volumes.heartbeat(call.request.volume_id)
    return Empty()


async def volume_commit(
    world: World, call: Call[api_pb2.VolumeCommitRequest]
) -> api_pb2.VolumeCommitResponse:
    """Publish what the calling container changed."""
    await world.commits.commit(call.container_id, call.request.volume_id, "commit")
    # Background commits are on for every mount, and then a commit does not reload
    # (modal-semantics 1.3 [guess, strong]).
    return api_pb2.VolumeCommitResponse(skip_reload=True)


async def volume_reload(world: World, call: Call[api_pb2.VolumeReloadRequest]) -> Empty:
    """Show the calling container the newest version."""
    await world.commits.reload(call.container_id, call.request.volume_id)
    return Empty()


def _item(volume: Volume) -> api_pb2.VolumeListItem:
    return known(
        api_pb2.VolumeListItem,
        label=volume.name,
        volume_id=volume.volume_id,
        created_at=volume.created_at,
        metadata=volume_metadata(volume),
    )


RPCS: dict[str, Rpc] = {
    "VolumeGetOrCreate": partly(volume_get_or_create, "experimental options are not known"),
    "VolumeGetById": full(volume_get_by_id),
    "VolumeList": full(volume_list),
    "VolumeRename": full(volume_rename),
    "VolumeDelete": full(volume_delete),
    "VolumeHeartbeat": full(volume_heartbeat),
    "VolumeCommit": partly(volume_commit, "only by the container that mounts the volume"),
    "VolumeReload": full(volume_reload),
    **volume_files.RPCS,
}

"""Mounts: local code on its way into containers, and contents for volumes' first protocol."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from modal_emulator.ground.errors import DataLoss, NotBuilt
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.creation import creation
from modal_emulator.rpc.tables import Rpc, full, partly
from modal_emulator.store.mounts import DEFAULT_MODE, Mount, MountFile
from modal_emulator.store.names import Creation
from modal_emulator.world import World

__all__ = ["RPCS"]


async def mount_put_file(
    world: World, call: Call[api_pb2.MountPutFileRequest]
) -> api_pb2.MountPutFileResponse:
    """Take a content, in the message or from a blob; with neither, say whether it is here."""
    asked = call.request
    kind = asked.WhichOneof("data_oneof")
    if kind == "data":
        _take(world, asked.sha256_hex, asked.data)
    elif kind == "data_blob_id":
        _find(world, asked.sha256_hex, asked.data_blob_id)
    return known(
        api_pb2.MountPutFileResponse,
        exists=world.content.has(asked.sha256_hex),
        checked_at=_now(world),
    )


async def mount_batched_check_existence(
    world: World, call: Call[api_pb2.MountBatchedCheckExistenceRequest]
) -> api_pb2.MountBatchedCheckExistenceResponse:
    """Say which contents are not here."""
    missing = [h for h in call.request.sha256_hex_hashes if not world.content.has(h)]
    return known(
        api_pb2.MountBatchedCheckExistenceResponse,
        missing_sha256_hex_hashes=missing,
        checked_at=_now(world),
    )


async def mount_get_or_create(
    world: World, call: Call[api_pb2.MountGetOrCreateRequest]
) -> api_pb2.MountGetOrCreateResponse:
    """Make a Mount of contents that are here, or find one that everybody shares."""
    asked = call.request
    mount = _named(world, asked) if asked.deployment_name else _made(world, asked)
    return api_pb2.MountGetOrCreateResponse(
        mount_id=mount.mount_id,
        handle_metadata=api_pb2.MountHandleMetadata(content_checksum_sha256_hex=mount.checksum),
    )


def _take(world: World, sha256: str, data: bytes) -> None:
    receiver = world.content.receive(sha256=sha256, length=len(data))
    try:
        receiver.write(data)
        receiver.finish()
    except BaseException:
        receiver.abort()
        raise


def _find(world: World, sha256: str, blob_id: str) -> None:
    """Check that a blob has the bytes that it is said to have; they are kept by digest already."""
    world.blobs.path(blob_id)
    if not world.content.has(sha256):
        raise DataLoss(f"Blob '{blob_id}' does not have sha256 {sha256}")


def _made(world: World, asked: api_pb2.MountGetOrCreateRequest) -> Mount:
    return world.mounts.create(
        MountFile(f.filename, f.sha256_hex, f.mode if f.HasField("mode") else DEFAULT_MODE)
        for f in asked.files
    )


def _named(world: World, asked: api_pb2.MountGetOrCreateRequest) -> Mount:
    """
    Find a Mount by name.

    Modal publishes its client and standalone Pythons as global Mounts. A container here runs in
    the local Python environment, which has both, so they are empty.
    """
    if creation(asked.object_creation_type) is not Creation.LOOKUP:
        raise NotBuilt("modal-emulator does not publish Mounts under a name (MountGetOrCreate)")
    if asked.namespace == api_pb2.DEPLOYMENT_NAMESPACE_GLOBAL:
        return world.mounts.create(())
    return world.mounts.lookup(asked.deployment_name, asked.environment_name)


def _now(world: World) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(int(world.clock.now() * 1_000_000))
    return stamp


RPCS: dict[str, Rpc] = {
    "MountPutFile": full(mount_put_file),
    "MountBatchedCheckExistence": full(mount_batched_check_existence),
    "MountGetOrCreate": partly(
        mount_get_or_create,
        "Modal's own global Mounts are empty, because containers use the local environment; "
        "Mounts cannot be published under a name",
    ),
}

"""Queues: naming them, and what is put and taken, whose values stay the bytes that came in."""

from __future__ import annotations

from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.creation import creation, creation_info
from modal_emulator.rpc.lingering import Lingering, put_in_time
from modal_emulator.rpc.paging import page
from modal_emulator.rpc.tables import Rpc, full
from modal_emulator.store.names import Named
from modal_emulator.world import World

__all__ = ["RPCS"]


async def queue_get_or_create(
    world: World, call: Call[api_pb2.QueueGetOrCreateRequest]
) -> api_pb2.QueueGetOrCreateResponse:
    """Find or make a Queue by name, or make one without a name."""
    asked = call.request
    kind = creation(asked.object_creation_type)
    found, _ = await world.queues.claim(asked.deployment_name, asked.environment_name, kind)
    return known(
        api_pb2.QueueGetOrCreateResponse, queue_id=found.object_id, metadata=_metadata(found)
    )


async def queue_get_by_id(
    world: World, call: Call[api_pb2.QueueGetByIdRequest]
) -> api_pb2.QueueGetByIdResponse:
    """Find a Queue by its id."""
    found = await world.queues.get(call.request.queue_id)
    return api_pb2.QueueGetByIdResponse(queue_id=found.object_id, metadata=_metadata(found))


async def queue_list(
    world: World, call: Call[api_pb2.QueueListRequest]
) -> api_pb2.QueueListResponse:
    """List the named Queues of an environment with their sizes, newest first."""
    wanted = page(world, call.request)
    environment = world.environments.get(call.request.environment_name).name
    found = await world.queues.list(
        environment, limit=wanted.limit, created_before=wanted.created_before
    )
    most = call.request.total_size_limit
    return known(
        api_pb2.QueueListResponse,
        queues=[await _item(world, each, most) for each in found],
        environment_name=environment,
    )


async def queue_delete(world: World, call: Call[api_pb2.QueueDeleteRequest]) -> Empty:
    """Delete a Queue and all that is in it."""
    await world.queues.delete(call.request.queue_id)
    return Empty()


async def queue_heartbeat(world: World, call: Call[api_pb2.QueueHeartbeatRequest]) -> Empty:
    """Keep an ephemeral Queue alive."""
    await world.queues.heartbeat(call.request.queue_id)
    return Empty()


async def queue_put(world: World, call: Call[api_pb2.QueuePutRequest]) -> Empty:
    """Put values at the end of a partition, all or none of them."""
    asked = call.request

    async def put() -> None:
        queue_id, ttl = await _id(world, call), asked.partition_ttl_seconds
        await world.queue_engine.put(queue_id, asked.partition_key, asked.values, ttl)

    await put_in_time(world, call, put)
    _note(world, call, "queue.put", len(asked.values))
    return Empty()


async def queue_get(world: World, call: Call[api_pb2.QueueGetRequest]) -> api_pb2.QueueGetResponse:
    """Take values, waiting for the first one as long as the caller says."""
    asked = call.request
    patience = Lingering(world, call, asked.timeout)
    while True:
        queue_id = await _id(world, call)
        values = await world.queue_engine.take(queue_id, asked.partition_key, asked.n_values or 1)
        if values or not await patience.arrival(queue_id):
            _note(world, call, "queue.get", len(values))
            return api_pb2.QueueGetResponse(values=values)


def _note(world: World, call: Call[Any], kind: str, count: int) -> None:
    """Tell how many entries came or went: steps do not, and who heard of what follows from it."""
    asked = call.request
    world.journal.add(
        kind,
        object_id=asked.queue_id,
        path=repr(asked.partition_key),
        count=count,
        container_id=call.container_id or "",
    )


async def queue_next_items(
    world: World, call: Call[api_pb2.QueueNextItemsRequest]
) -> api_pb2.QueueNextItemsResponse:
    """Show the values after an entry without taking them, waiting as `queue_get` does."""
    asked = call.request
    patience = Lingering(world, call, asked.item_poll_timeout)
    while True:
        queue_id = await _id(world, call)
        found = await world.queue_engine.after(queue_id, asked.partition_key, asked.last_entry_id)
        if found or not await patience.arrival(queue_id, asked.last_entry_id):
            items = [api_pb2.QueueItem(entry_id=entry, value=value) for entry, value in found]
            return api_pb2.QueueNextItemsResponse(items=items)


async def queue_len(world: World, call: Call[api_pb2.QueueLenRequest]) -> api_pb2.QueueLenResponse:
    """Count what is in a partition, or in all."""
    partition = None if call.request.total else call.request.partition_key
    count = await world.queue_engine.length(await _id(world, call), partition)
    return api_pb2.QueueLenResponse(len=count)


async def queue_clear(world: World, call: Call[api_pb2.QueueClearRequest]) -> Empty:
    """Empty a partition, or all."""
    partition = None if call.request.all_partitions else call.request.partition_key
    await world.queue_engine.clear(await _id(world, call), partition)
    return Empty()


async def _id(world: World, call: Call[Any]) -> str:
    """Return the id of the Queue that is meant; it may be another than what an old handle says."""
    return (await world.queues.get(call.request.queue_id)).object_id


def _metadata(found: Named) -> api_pb2.QueueMetadata | None:
    if not hasattr(api_pb2, "QueueMetadata"):
        return None
    return known(
        api_pb2.QueueMetadata,
        name=found.name,
        creation_info=creation_info(found.created_at, found.created_by),
    )


async def _item(world: World, found: Named, most: int) -> api_pb2.QueueListResponse.QueueInfo:
    size = await world.queue_engine.length(found.object_id, None)
    return known(
        api_pb2.QueueListResponse.QueueInfo,
        name=found.name,
        created_at=found.created_at,
        num_partitions=await world.queue_engine.partitions(found.object_id),
        total_size=min(size, most) if most else size,
        queue_id=found.object_id,
        metadata=_metadata(found),
    )


RPCS: dict[str, Rpc] = {
    "QueueGetOrCreate": full(queue_get_or_create),
    "QueueGetById": full(queue_get_by_id),
    "QueueList": full(queue_list),
    "QueueDelete": full(queue_delete),
    "QueueHeartbeat": full(queue_heartbeat),
    "QueuePut": full(queue_put),
    "QueueGet": full(queue_get),
    "QueueNextItems": full(queue_next_items),
    "QueueLen": full(queue_len),
    "QueueClear": full(queue_clear),
}

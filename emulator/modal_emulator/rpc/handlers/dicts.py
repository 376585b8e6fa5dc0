"""Dicts: naming them, and their entries, whose keys and values stay the bytes that came in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.creation import creation, creation_info
from modal_emulator.rpc.paging import page
from modal_emulator.rpc.stepping import keys_of
from modal_emulator.rpc.tables import Rpc, full, stream
from modal_emulator.store.names import Named
from modal_emulator.world import World

__all__ = ["RPCS"]


async def dict_get_or_create(
    world: World, call: Call[api_pb2.DictGetOrCreateRequest]
) -> api_pb2.DictGetOrCreateResponse:
    """Find or make a Dict by name, or make one without a name; a new one may begin with entries."""
    asked = call.request
    kind = creation(asked.object_creation_type)
    found, made = await world.dicts.claim(asked.deployment_name, asked.environment_name, kind)
    if made and asked.data:
        entries = [(entry.key, entry.value) for entry in asked.data]
        await world.dict_engine.update(found.object_id, entries, if_absent=False)
    return known(
        api_pb2.DictGetOrCreateResponse, dict_id=found.object_id, metadata=_metadata(found)
    )


async def dict_get_by_id(
    world: World, call: Call[api_pb2.DictGetByIdRequest]
) -> api_pb2.DictGetByIdResponse:
    """Find a Dict by its id."""
    found = await world.dicts.get(call.request.dict_id)
    return api_pb2.DictGetByIdResponse(dict_id=found.object_id, metadata=_metadata(found))


async def dict_list(world: World, call: Call[api_pb2.DictListRequest]) -> api_pb2.DictListResponse:
    """List the named Dicts of an environment, newest first."""
    wanted = page(world, call.request)
    environment = world.environments.get(call.request.environment_name).name
    found = await world.dicts.list(
        environment, limit=wanted.limit, created_before=wanted.created_before
    )
    return known(
        api_pb2.DictListResponse,
        dicts=[_item(each) for each in found],
        environment_name=environment,
    )


async def dict_delete(world: World, call: Call[api_pb2.DictDeleteRequest]) -> Empty:
    """Delete a Dict and all its entries."""
    await world.dicts.delete(call.request.dict_id)
    return Empty()


async def dict_heartbeat(world: World, call: Call[api_pb2.DictHeartbeatRequest]) -> Empty:
    """Keep an ephemeral Dict alive."""
    await world.dicts.heartbeat(call.request.dict_id)
    return Empty()


async def dict_get(world: World, call: Call[api_pb2.DictGetRequest]) -> api_pb2.DictGetResponse:
    """Return the value of a key."""
    value = await world.dict_engine.get(await _id(world, call), call.request.key)
    return api_pb2.DictGetResponse(found=value is not None, value=value)


async def dict_contains(
    world: World, call: Call[api_pb2.DictContainsRequest]
) -> api_pb2.DictContainsResponse:
    """Say whether a key is there."""
    found = await world.dict_engine.contains(await _id(world, call), call.request.key)
    return api_pb2.DictContainsResponse(found=found)


async def dict_update(
    world: World, call: Call[api_pb2.DictUpdateRequest]
) -> api_pb2.DictUpdateResponse:
    """Set some entries, all or none of them."""
    entries = [(entry.key, entry.value) for entry in call.request.updates]
    if_absent = call.request.if_not_exists
    created = await world.dict_engine.update(await _id(world, call), entries, if_absent=if_absent)
    _note(world, call, "dict.put", keys_of(call.request), done=created, if_absent=if_absent)
    return api_pb2.DictUpdateResponse(created=created)


async def dict_pop(world: World, call: Call[api_pb2.DictPopRequest]) -> api_pb2.DictPopResponse:
    """Take an entry out and return its value."""
    value = await world.dict_engine.pop(await _id(world, call), call.request.key)
    _note(world, call, "dict.pop", repr(call.request.key), done=value is not None)
    return api_pb2.DictPopResponse(found=value is not None, value=value)


def _note(world: World, call: Call[Any], kind: str, path: str, **values: bool) -> None:
    """Tell whether a key was set or taken: steps do not, and who came after whom depends on it."""
    told = {"object_id": call.request.dict_id, "path": path}
    world.journal.add(kind, container_id=call.container_id or "", **told, **values)


async def dict_clear(world: World, call: Call[api_pb2.DictClearRequest]) -> Empty:
    """Take all entries out."""
    await world.dict_engine.clear(await _id(world, call))
    return Empty()


async def dict_len(world: World, call: Call[api_pb2.DictLenRequest]) -> api_pb2.DictLenResponse:
    """Count the entries."""
    return api_pb2.DictLenResponse(len=await world.dict_engine.length(await _id(world, call)))


async def dict_contents(
    world: World, call: Call[api_pb2.DictContentsRequest]
) -> AsyncIterator[api_pb2.DictEntry]:
    """Stream the entries, or one side of them."""
    asked = call.request
    async for key, value in world.dict_engine.contents(await _id(world, call)):
        yield api_pb2.DictEntry(key=key * asked.keys, value=value * asked.values)


async def _id(world: World, call: Call[Any]) -> str:
    """Return the id of the Dict that is meant; it may be another than what an old handle says."""
    return (await world.dicts.get(call.request.dict_id)).object_id


def _metadata(found: Named) -> api_pb2.DictMetadata | None:
    if not hasattr(api_pb2, "DictMetadata"):
        return None
    return known(
        api_pb2.DictMetadata,
        name=found.name,
        creation_info=creation_info(found.created_at, found.created_by),
    )


def _item(found: Named) -> api_pb2.DictListResponse.DictInfo:
    return known(
        api_pb2.DictListResponse.DictInfo,
        name=found.name,
        created_at=found.created_at,
        dict_id=found.object_id,
        metadata=_metadata(found),
    )


RPCS: dict[str, Rpc] = {
    "DictGetOrCreate": full(dict_get_or_create),
    "DictGetById": full(dict_get_by_id),
    "DictList": full(dict_list),
    "DictDelete": full(dict_delete),
    "DictHeartbeat": full(dict_heartbeat),
    "DictGet": full(dict_get),
    "DictContains": full(dict_contains),
    "DictUpdate": full(dict_update),
    "DictPop": full(dict_pop),
    "DictClear": full(dict_clear),
    "DictLen": full(dict_len),
    "DictContents": stream(dict_contents),
}

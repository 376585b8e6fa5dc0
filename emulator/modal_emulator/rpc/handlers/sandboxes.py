"""
Sandboxes, of both kinds that the SDKs know.

V2 is the same thing under other names here: the calls that end so take and give what those without
do. Which of them an SDK uses it sees by the shape of a Sandbox's id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.commands import (
    PIECE,
    container_of,
    refuse_inside,
    router_access,
    whole_characters,
)
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.sandbox_specs import spec_of
from modal_emulator.rpc.tables import Rpc, full, partly, stream
from modal_emulator.schedule.executed import STDERR, STDOUT
from modal_emulator.schedule.sandbox import Sandbox
from modal_emulator.world import World

__all__ = ["RPCS"]

_LONGEST = 50.0
"""Seconds for which one wait is held back at most."""


async def sandbox_create(
    world: World, call: Call[api_pb2.SandboxCreateRequest]
) -> api_pb2.SandboxCreateResponse:
    """Make a Sandbox and start it."""
    sandbox = await _create(world, call.request, newer=False)
    return known(
        api_pb2.SandboxCreateResponse, sandbox_id=sandbox.sandbox_id, metadata=_handle(sandbox)
    )


async def sandbox_create_v2(
    world: World, call: Call[api_pb2.SandboxCreateV2Request]
) -> api_pb2.SandboxCreateV2Response:
    """Make a Sandbox and start it; the answer has all to reach it by."""
    refuse_inside(call)
    sandbox = await _create(world, call.request, newer=True)
    url, token = await router_access(world, call, sandbox.container_id)
    return known(
        api_pb2.SandboxCreateV2Response,
        sandbox_id=sandbox.sandbox_id,
        task_id=sandbox.container_id,
        metadata=_handle(sandbox),
        command_router_access=api_pb2.CommandRouterAccess(url=url, jwt=token),
    )


async def sandbox_get_task_id(
    world: World, call: Call[api_pb2.SandboxGetTaskIdRequest]
) -> api_pb2.SandboxGetTaskIdResponse:
    """Say in which container it runs, or how it ended."""
    sandbox = world.sandboxes.get(call.request.sandbox_id)
    if sandbox.ended is None:
        return api_pb2.SandboxGetTaskIdResponse(task_id=sandbox.container_id)
    if sandbox.container is None:
        return api_pb2.SandboxGetTaskIdResponse(task_result=_result(sandbox))
    return api_pb2.SandboxGetTaskIdResponse(
        task_id=sandbox.container_id, task_result=_result(sandbox)
    )


async def sandbox_wait(
    world: World, call: Call[api_pb2.SandboxWaitRequest]
) -> api_pb2.SandboxWaitResponse:
    """Say how it ended, once it has."""
    sandbox = world.sandboxes.get(call.request.sandbox_id)
    ends = asyncio.get_running_loop().time() + min(call.request.timeout, _LONGEST)
    while sandbox.ended is None:
        left = ends - asyncio.get_running_loop().time()
        if left <= 0 or not await sandbox.over.wait(left):
            break
    return known(api_pb2.SandboxWaitResponse, result=_result(sandbox), metadata=_handle(sandbox))


async def sandbox_terminate(
    world: World, call: Call[api_pb2.SandboxTerminateRequest]
) -> api_pb2.SandboxTerminateResponse:
    """Begin to end it; nothing to do when it has ended."""
    sandbox = world.sandboxes.get(call.request.sandbox_id)
    world.sandboxes.terminate(sandbox)
    return api_pb2.SandboxTerminateResponse(existing_result=_result(sandbox))


async def sandbox_get_logs(
    world: World, call: Call[api_pb2.SandboxGetLogsRequest]
) -> AsyncIterator[api_pb2.TaskLogsBatch]:
    """Stream what its first command writes; an entry's id is its last byte."""
    request = call.request
    executed = world.sandboxes.main(world.sandboxes.get(request.sandbox_id))
    number = STDERR if request.file_descriptor == STDERR else STDOUT
    tape = executed.tapes[number]
    offset = int(request.last_entry_id.partition("-")[0] or 0)
    ends = asyncio.get_running_loop().time() + request.timeout
    while True:
        is_last = tape.ended and tape.length - offset <= PIECE
        data = whole_characters(executed.read(number, offset, PIECE), last=is_last)
        offset += len(data)
        if data or is_last:
            yield _batch(number, data, offset, eof=is_last)
        if is_last:
            return
        left = ends - asyncio.get_running_loop().time()
        if left <= 0:
            return
        if not data:
            await tape.pulse.wait(left)


async def sandbox_stdin_write(
    world: World, call: Call[api_pb2.SandboxStdinWriteRequest]
) -> api_pb2.SandboxStdinWriteResponse:
    """Write to the input of its first command."""
    request = call.request
    await world.sandboxes.give_message(
        world.sandboxes.get(request.sandbox_id), request.index, request.input, eof=request.eof
    )
    return api_pb2.SandboxStdinWriteResponse()


async def sandbox_list(
    world: World, call: Call[api_pb2.SandboxListRequest]
) -> api_pb2.SandboxListResponse:
    """List those that run, newest first; all in one page, then an empty one."""
    request = call.request
    environment = world.environments.get(request.environment_name).name
    wanted = {tag.tag_name: tag.tag_value for tag in request.tags}
    found = [
        sandbox
        for sandbox in reversed(world.sandboxes.all())
        if (request.include_finished or sandbox.running)
        and request.app_id in ("", sandbox.app_id)
        and (request.app_id or world.apps.get(sandbox.app_id).environment == environment)
        and wanted.items() <= sandbox.tags.items()
        and (not request.before_timestamp or sandbox.created_at < request.before_timestamp)
    ]
    return api_pb2.SandboxListResponse(sandboxes=[_info(sandbox) for sandbox in found])


async def sandbox_get_from_name(
    world: World, call: Call[api_pb2.SandboxGetFromNameRequest]
) -> api_pb2.SandboxGetFromNameResponse:
    """Find a Sandbox of a deployed app by its name."""
    request = call.request
    app = world.apps.deployed(request.app_name, request.environment_name)
    sandbox = world.sandboxes.named(
        app.app_id,
        request.sandbox_name,
        also_ended=getattr(request, "include_terminated", False),
    )
    return known(
        api_pb2.SandboxGetFromNameResponse,
        sandbox_id=sandbox.sandbox_id,
        metadata=_handle(sandbox),
    )


async def sandbox_set_name(
    world: World, call: Call[api_pb2.SandboxSetNameRequest]
) -> api_pb2.SandboxSetNameResponse:
    """Give it another name."""
    world.sandboxes.rename(world.sandboxes.get(call.request.sandbox_id), call.request.name)
    return api_pb2.SandboxSetNameResponse()


async def sandbox_tags_set(world: World, call: Call[api_pb2.SandboxTagsSetRequest]) -> Empty:
    """Give it these tags instead of those that it has."""
    sandbox = world.sandboxes.get(call.request.sandbox_id)
    sandbox.tags = {tag.tag_name: tag.tag_value for tag in call.request.tags}
    return Empty()


async def sandbox_tags_get(
    world: World, call: Call[api_pb2.SandboxTagsGetRequest]
) -> api_pb2.SandboxTagsGetResponse:
    """Return its tags."""
    return api_pb2.SandboxTagsGetResponse(tags=_tags(world.sandboxes.get(call.request.sandbox_id)))


async def sandbox_get_tunnels(
    world: World, call: Call[api_pb2.SandboxGetTunnelsRequest]
) -> api_pb2.SandboxGetTunnelsResponse:
    """Open the ports that it was made with, at the first question, and say where they are."""
    sandbox = world.sandboxes.get(call.request.sandbox_id)
    tunnels = await world.sandboxes.tunnels(sandbox)
    return api_pb2.SandboxGetTunnelsResponse(
        tunnels=[
            known(
                api_pb2.TunnelData,
                container_port=port,
                host=tunnel.secure.host,
                port=tunnel.secure.port,
                unencrypted_host=tunnel.plain.host if tunnel.plain else None,
                unencrypted_port=tunnel.plain.port if tunnel.plain else None,
            )
            for port, tunnel in tunnels.items()
        ]
    )


async def sandbox_get_command_router_access(
    world: World, call: Call[api_pb2.SandboxGetCommandRouterAccessRequest]
) -> api_pb2.SandboxGetCommandRouterAccessResponse:
    """Say where its commands are taken; while it runs, and for its output also afterwards."""
    request = call.request
    if request.sandbox_id:
        container_id = world.sandboxes.get(request.sandbox_id).container_id
    else:
        container_id = container_of(world, request.task_id).container_id
    url, token = await router_access(world, call, container_id)
    return known(api_pb2.SandboxGetCommandRouterAccessResponse, url=url, jwt=token)


async def _create(
    world: World,
    request: api_pb2.SandboxCreateRequest | api_pb2.SandboxCreateV2Request,
    *,
    newer: bool,
) -> Sandbox:
    spec = spec_of(world, request.definition, request)
    tags = {tag.tag_name: tag.tag_value for tag in getattr(request, "tags", ())}
    return await world.sandboxes.create(request.app_id, spec, tags, newer=newer)


def _result(sandbox: Sandbox) -> api_pb2.GenericResult:
    """Return how it ended; one without a status while it runs."""
    if sandbox.ended is None:
        return api_pb2.GenericResult()
    return known(
        api_pb2.GenericResult,
        status=sandbox.ended.why.value,
        exitcode=sandbox.ended.code,
        exception=sandbox.ended.text,
    )


def _handle(sandbox: Sandbox) -> api_pb2.SandboxHandleMetadata:
    return known(api_pb2.SandboxHandleMetadata, result=_result(sandbox), app_id=sandbox.app_id)


def _info(sandbox: Sandbox) -> api_pb2.SandboxInfo:
    return known(
        api_pb2.SandboxInfo,
        id=sandbox.sandbox_id,
        app_id=sandbox.app_id,
        name=sandbox.name,
        created_at=sandbox.created_at,
        image_id=sandbox.spec.image_id,
        timeout_secs=int(sandbox.spec.timeout),
        tags=_tags(sandbox),
        metadata=_handle(sandbox),
        task_info=known(
            api_pb2.TaskInfo,
            id=sandbox.container_id,
            started_at=sandbox.created_at,
            finished_at=sandbox.finished_at,
            result=_result(sandbox),
            sandbox_id=sandbox.sandbox_id,
        ),
    )


def _tags(sandbox: Sandbox) -> list[api_pb2.SandboxTag]:
    return [
        api_pb2.SandboxTag(tag_name=name, tag_value=value) for name, value in sandbox.tags.items()
    ]


def _batch(number: int, data: bytes, offset: int, *, eof: bool) -> api_pb2.TaskLogsBatch:
    item = known(api_pb2.TaskLogs, data=data.decode(errors="replace"), file_descriptor=number)
    return api_pb2.TaskLogsBatch(entry_id=f"{offset}-0", items=[item] if data else [], eof=eof)


_REFUSALS = "what the emulator would have to ignore is refused; see docs/guide/sandboxes.md"

_ALL: dict[str, Rpc] = {
    "SandboxCreate": partly(sandbox_create, _REFUSALS),
    "SandboxCreateV2": partly(sandbox_create_v2, _REFUSALS),
    "SandboxGetTaskId": full(sandbox_get_task_id),
    "SandboxGetTaskIdV2": full(sandbox_get_task_id),
    "SandboxWait": full(sandbox_wait),
    "SandboxWaitV2": full(sandbox_wait),
    "SandboxTerminate": full(sandbox_terminate),
    "SandboxTerminateV2": full(sandbox_terminate),
    "SandboxGetLogs": stream(sandbox_get_logs),
    "SandboxStdinWrite": full(sandbox_stdin_write),
    "SandboxList": full(sandbox_list),
    "SandboxListV2": full(sandbox_list),
    "SandboxGetFromName": full(sandbox_get_from_name),
    "SandboxGetFromNameV2": full(sandbox_get_from_name),
    "SandboxSetName": full(sandbox_set_name),
    "SandboxTagsSet": full(sandbox_tags_set),
    "SandboxTagsSetV2": full(sandbox_tags_set),
    "SandboxTagsGet": full(sandbox_tags_get),
    "SandboxTagsGetV2": full(sandbox_tags_get),
    "SandboxGetTunnels": full(sandbox_get_tunnels),
    "SandboxGetTunnelsV2": full(sandbox_get_tunnels),
    "SandboxGetCommandRouterAccess": full(sandbox_get_command_router_access),
}
_OFFERED = api_pb2.DESCRIPTOR.services_by_name["ModalClient"].methods_by_name
RPCS: dict[str, Rpc] = {name: rpc for name, rpc in _ALL.items() if name in _OFFERED}

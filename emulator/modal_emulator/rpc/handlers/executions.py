"""Commands in running containers: the older protocol, and the way to the newer one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.ground.errors import NotBuilt
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.commands import (
    PIECE,
    container_of,
    environment_of,
    router_access,
    terminal_of,
    whole_characters,
)
from modal_emulator.rpc.tables import Rpc, full, partly, stream
from modal_emulator.schedule.executed import STDERR, STDOUT, Executed, Order
from modal_emulator.world import World

__all__ = ["RPCS"]


async def container_exec(
    world: World, call: Call[api_pb2.ContainerExecRequest]
) -> api_pb2.ContainerExecResponse:
    """Start a command."""
    request = call.request
    if request.terminate_container_on_exit:
        raise NotBuilt("modal-emulator ends no container with a command that runs in it")
    terminal, named = terminal_of(request.pty_info)
    unwanted = api_pb2.EXEC_OUTPUT_OPTION_DEVNULL
    wanted = {STDOUT: request.stdout_output, STDERR: request.stderr_output}
    order = Order(
        tuple(request.command),
        {**named, **environment_of(world, request)},
        request.workdir,
        terminal,
        request.timeout_secs,
        frozenset(number for number, option in wanted.items() if option != unwanted),
    )
    container = container_of(world, request.task_id)
    executed = await world.executions.start(container, world.ids.mint("ex"), order)
    return api_pb2.ContainerExecResponse(exec_id=executed.execution_id)


async def container_exec_get_output(
    world: World, call: Call[api_pb2.ContainerExecGetOutputRequest]
) -> AsyncIterator[api_pb2.RuntimeOutputBatch]:
    """Stream what it writes; with the last of it comes the exit code. A batch is its last byte."""
    request = call.request
    executed = world.executions.get(request.exec_id)
    number = STDERR if request.file_descriptor == STDERR else STDOUT
    tape = executed.tapes[number]
    offset = request.last_batch_index
    ends = asyncio.get_running_loop().time() + request.timeout
    # Whoever attaches a terminal waits for a first message, were it empty.
    yield _batch(number, b"", offset)
    while True:
        is_last = tape.ended and tape.length - offset <= PIECE
        data = whole_characters(executed.read(number, offset, PIECE), last=is_last)
        if data:
            offset += len(data)
            yield _batch(number, data, offset)
        if is_last:
            break
        left = ends - asyncio.get_running_loop().time()
        if request.timeout and left <= 0:
            return
        if not data:
            await tape.pulse.wait(left if request.timeout else None)
    await executed.wait()
    yield api_pb2.RuntimeOutputBatch(batch_index=offset, exit_code=executed.exit_code)


async def container_exec_put_input(
    world: World, call: Call[api_pb2.ContainerExecPutInputRequest]
) -> Empty:
    """Write to its input; a message that comes again is not written again."""
    given = call.request.input
    executed = world.executions.get(call.request.exec_id)
    await executed.give_message(given.message_index, given.message, eof=given.eof)
    return Empty()


async def container_exec_wait(
    world: World, call: Call[api_pb2.ContainerExecWaitRequest]
) -> api_pb2.ContainerExecWaitResponse:
    """Wait for its end."""
    executed = world.executions.get(call.request.exec_id)
    await _wait(executed, call.request.timeout)
    return api_pb2.ContainerExecWaitResponse(
        exit_code=executed.exit_code, completed=executed.exit_code is not None
    )


async def task_get_command_router_access(
    world: World, call: Call[api_pb2.TaskGetCommandRouterAccessRequest]
) -> api_pb2.TaskGetCommandRouterAccessResponse:
    """Say where a container's commands are taken, and give the token for this container."""
    container_id = container_of(world, call.request.task_id).container_id
    url, token = await router_access(world, call, container_id)
    return api_pb2.TaskGetCommandRouterAccessResponse(url=url, jwt=token)


async def container_reload_volumes(
    world: World, call: Call[api_pb2.ContainerReloadVolumesRequest]
) -> api_pb2.ContainerReloadVolumesResponse:
    """Show the newest version of each volume; newer SDKs ask the router of commands."""
    await world.commits.reload_all(container_of(world, call.request.task_id).container_id)
    return api_pb2.ContainerReloadVolumesResponse()


async def _wait(executed: Executed, seconds: float) -> None:
    if executed.exit is None and seconds > 0:
        await executed.over.wait(seconds)


def _batch(number: int, data: bytes, index: int) -> api_pb2.RuntimeOutputBatch:
    descriptor = (
        api_pb2.FILE_DESCRIPTOR_STDERR if number == STDERR else api_pb2.FILE_DESCRIPTOR_STDOUT
    )
    item = api_pb2.RuntimeOutputMessage(
        file_descriptor=descriptor,
        message=data.decode(errors="replace"),
        message_bytes=data,
    )
    return api_pb2.RuntimeOutputBatch(items=[item], batch_index=index)


RPCS: dict[str, Rpc] = {
    "ContainerExec": partly(container_exec, "`terminate_container_on_exit` is refused"),
    "ContainerExecGetOutput": stream(container_exec_get_output),
    "ContainerExecPutInput": full(container_exec_put_input),
    "ContainerExecWait": full(container_exec_wait),
}
if hasattr(api_pb2, "ContainerReloadVolumesRequest"):
    RPCS["ContainerReloadVolumes"] = full(container_reload_volumes)
if hasattr(api_pb2, "TaskGetCommandRouterAccessRequest"):
    RPCS["TaskGetCommandRouterAccess"] = full(task_get_command_router_access)

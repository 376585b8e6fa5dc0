"""What the SDK's entrypoint asks from inside a container, and what outsiders ask about one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.ground.errors import Conflict
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.definitions import definition_of
from modal_emulator.rpc.stepping import input_step, stop_step
from modal_emulator.rpc.tables import Rpc, accepted, full, stream
from modal_emulator.schedule.calls import Input, Outcome, Status
from modal_emulator.schedule.worker import Ending, Worker
from modal_emulator.store.apps import App
from modal_emulator.world import World

__all__ = ["RPCS"]

# The SDK waits 15.1 s for the answer to a heartbeat and sends the next one 15 s after the last;
# an answer held back until then carries a cancellation at once.
HEARTBEAT_SECONDS = 14.0

STREAM_SECONDS = 55.0  # of the machine; then the SDK asks for the rest


async def container_heartbeat(
    world: World, call: Call[api_pb2.ContainerHeartbeatRequest]
) -> api_pb2.ContainerHeartbeatResponse:
    """Answer when inputs were cancelled, or when it is time for the next heartbeat."""
    worker = _caller(world, call.container_id)
    if not worker.cancelled:
        await worker.pulse.wait(HEARTBEAT_SECONDS)
    if not worker.cancelled:
        return api_pb2.ContainerHeartbeatResponse()
    cancelled, worker.cancelled = worker.cancelled, []
    return api_pb2.ContainerHeartbeatResponse(
        cancel_input_event=api_pb2.CancelInputEvent(input_ids=cancelled)
    )


async def function_get_inputs(
    world: World, call: Call[api_pb2.FunctionGetInputsRequest]
) -> api_pb2.FunctionGetInputsResponse:
    """Give the container its next input, or tell it to leave."""
    worker = _caller(world, call.container_id)
    request = call.request
    most = max(1, request.batch_max_size)
    taken = await worker.pool.take(worker, most, request.batch_linger_ms / 1000)
    if taken is None:
        await stop_step(world, worker)
        items = [api_pb2.FunctionGetInputsItem(kill_switch=True)]
    else:
        await input_step(world, worker)
        items = [_item(world, i) for i in taken]
    return api_pb2.FunctionGetInputsResponse(inputs=items)


async def function_put_outputs(
    world: World, call: Call[api_pb2.FunctionPutOutputsRequest]
) -> Empty:
    """Bring the outputs of a container home."""
    worker = _caller(world, call.container_id)
    for item in call.request.outputs:
        status = item.result.status
        outcome = Outcome(
            Status(status) if status in Status._value2member_map_ else Status.FAILURE,
            item.result.SerializeToString(),
            item.data_format,
            worker.container_id,
            item.input_started_at,
            item.output_created_at,
        )
        world.dispatcher.finish(item.input_id, outcome)
    return Empty()


async def function_call_put_data_out(
    world: World, call: Call[api_pb2.FunctionCallPutDataRequest]
) -> Empty:
    """Keep what a generator gave; for a web function, answer when most of it was taken."""
    _caller(world, call.container_id)
    chunks = [chunk.SerializeToString() for chunk in call.request.data_chunks]
    opened = world.calls.call(call.request.function_call_id)
    world.calls.produce(opened, chunks)
    if opened.passage is not None:
        await opened.passage.room()
    return Empty()


async def function_call_get_data_in(
    world: World, call: Call[api_pb2.FunctionCallGetDataRequest]
) -> AsyncIterator[api_pb2.DataChunk]:
    """
    Stream what a call is given, from an index on, until it has its outcome.

    Who reads it works on the input as well, so that it waits says nothing of being at rest.
    """
    _caller(world, call.container_id)
    opened = world.calls.call(call.request.function_call_id)
    read = call.request.last_index
    loop = asyncio.get_running_loop()
    ends = loop.time() + STREAM_SECONDS
    while True:
        while read < len(opened.given):
            read += 1
            passage = opened.passage
            chunk = passage.hear(read - 1) if passage else opened.given[read - 1]
            yield api_pb2.DataChunk.FromString(chunk)
        left = ends - loop.time()
        if not opened.is_at_work() or left <= 0 or not await opened.pulse.wait(left):
            return


async def function_get_dynamic_concurrency(
    world: World, call: Call[api_pb2.FunctionGetDynamicConcurrencyRequest]
) -> api_pb2.FunctionGetDynamicConcurrencyResponse:
    """Let a container take as many inputs at once as its function allows."""
    return api_pb2.FunctionGetDynamicConcurrencyResponse(concurrency=call.request.max_concurrency)


async def task_result(world: World, call: Call[api_pb2.TaskResultRequest]) -> Empty:
    """Keep why a container could not begin; its inputs fail with it."""
    worker = _caller(world, call.container_id)
    worker.failure = call.request.result.SerializeToString()
    return Empty()


async def container_stop(
    world: World, call: Call[api_pb2.ContainerStopRequest]
) -> api_pb2.ContainerStopResponse:
    """Let a container go: after what it works on, or interrupting that, to begin elsewhere."""
    if sandbox := world.sandboxes.in_container(call.request.task_id):
        world.sandboxes.terminate(sandbox)
        return api_pb2.ContainerStopResponse()
    if world.bygones.is_over(call.request.task_id):
        # Who stops all that were listed a moment ago means no more than this [guess].
        return api_pb2.ContainerStopResponse()
    worker = world.dispatcher.worker(call.request.task_id)
    if getattr(call.request, "graceful", False):
        worker.pool.let_go(worker)
    else:
        worker.pool.interrupt(worker, Ending.STOPPED)
    return api_pb2.ContainerStopResponse()


async def task_list(world: World, call: Call[api_pb2.TaskListRequest]) -> api_pb2.TaskListResponse:
    """List the running containers of an app, or of an environment."""
    request = call.request
    app_id = getattr(request, "app_id", "")  # SDKs before 1.1 list all and look themselves
    found = [_stats(world, w) for w in world.dispatcher.workers(app_id)]
    found += [
        _stats_of(world.apps.get(sandbox.app_id), sandbox.container_id, sandbox.created_at)
        for sandbox in world.sandboxes.running()
        if app_id in ("", sandbox.app_id)
    ]
    if not app_id:
        where = world.environments.get(request.environment_name).name
        found = [t for t in found if world.apps.get(t.app_id).environment == where]
    return api_pb2.TaskListResponse(tasks=found)


async def task_get_info(
    world: World, call: Call[api_pb2.TaskGetInfoRequest]
) -> api_pb2.TaskGetInfoResponse:
    """Describe a container that runs, or one that has ended."""
    task_id = call.request.task_id
    if world.bygones.is_over(task_id):
        past = world.bygones.get(task_id)
        info = known(
            api_pb2.TaskInfo,
            id=task_id,
            started_at=past.started_at,
            enqueued_at=past.started_at,
            finished_at=past.finished_at,
        )
        return known(api_pb2.TaskGetInfoResponse, app_id=past.app_id, info=info)
    if sandbox := world.sandboxes.in_container(task_id):
        info = known(
            api_pb2.TaskInfo,
            id=task_id,
            started_at=sandbox.created_at,
            sandbox_id=sandbox.sandbox_id,
        )
        return known(api_pb2.TaskGetInfoResponse, app_id=sandbox.app_id, info=info)
    worker = world.dispatcher.worker(task_id)
    info = known(
        api_pb2.TaskInfo,
        id=task_id,
        started_at=worker.started_at,
        enqueued_at=worker.enqueued_at,
        gpu_config=definition_of(worker.pool.function).resources.gpu_config,
    )
    return known(api_pb2.TaskGetInfoResponse, app_id=worker.pool.function.app_id, info=info)


def _caller(world: World, container_id: str | None) -> Worker:
    if container_id is None:
        raise Conflict("this call is answered to containers only")
    return world.dispatcher.worker(container_id)


def _item(world: World, taken: Input) -> api_pb2.FunctionGetInputsItem:
    call = world.calls.call(taken.call_id)
    return known(
        api_pb2.FunctionGetInputsItem,
        input_id=taken.input_id,
        function_call_id=taken.call_id,
        input=api_pb2.FunctionInput.FromString(taken.payload),
        function_call_invocation_type=call.invocation,
        retry_count=taken.attempt,
        function_map_idx=taken.index,
    )


def _stats(world: World, worker: Worker) -> api_pb2.TaskStats:
    app = world.apps.get(worker.pool.function.app_id)
    at = _enqueued_at(worker, app)
    return _stats_of(app, worker.container_id, worker.started_at, at)


def _stats_of(
    app: App, container_id: str, started_at: float, enqueued_at: float | None = None
) -> api_pb2.TaskStats:
    return known(
        api_pb2.TaskStats,
        task_id=container_id,
        app_id=app.app_id,
        app_description=app.name or app.description,
        started_at=started_at,
        enqueued_at=started_at if enqueued_at is None else enqueued_at,
    )


def _enqueued_at(worker: Worker, app: App) -> float:
    """Return a moment before the app's version for what is older, also on a clock that stands."""
    if worker.pool.is_outdated:
        return min(worker.enqueued_at, app.published_at - 1e-6)
    return max(worker.enqueued_at, app.published_at)


RPCS: dict[str, Rpc] = {
    "ContainerHello": accepted(Empty, "the socket says which container it is"),
    "ContainerHeartbeat": full(container_heartbeat),
    "FunctionGetInputs": full(function_get_inputs),
    "FunctionPutOutputs": full(function_put_outputs),
    "FunctionCallPutDataOut": full(function_call_put_data_out),
    "FunctionCallGetDataIn": stream(function_call_get_data_in),
    "FunctionGetDynamicConcurrency": full(function_get_dynamic_concurrency),
    "TaskResult": full(task_result),
    "ContainerStop": full(container_stop),
    "TaskList": full(task_list),
    "TaskGetInfo": full(task_get_info),
}

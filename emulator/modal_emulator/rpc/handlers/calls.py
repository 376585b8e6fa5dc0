"""Function calls as a caller sees them: inputs in, outputs out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import has, known
from modal_emulator.rpc.definitions import definition_of
from modal_emulator.rpc.patience import Patience
from modal_emulator.rpc.results import terminated
from modal_emulator.rpc.tables import Rpc, accepted, full, stream
from modal_emulator.schedule.calls import FunctionCall, Input
from modal_emulator.world import World

__all__ = ["RPCS"]

STREAM_SECONDS = 55.0  # as long as the SDK's own polls
LARGEST_GRAPH = 5000
"""Inputs; "large call graphs may be truncated", says the SDK, and no number [guess]."""


async def function_map(
    world: World, call: Call[api_pb2.FunctionMapRequest]
) -> api_pb2.FunctionMapResponse:
    """Open a call; the inputs that come with it are queued at once."""
    request = call.request
    opened = world.calls.open(
        request.function_id, request.function_call_invocation_type, request.parent_input_id
    )
    world.dispatcher.pool(request.function_id)
    world.calls.attend(opened)
    return known(
        api_pb2.FunctionMapResponse,
        function_call_id=opened.call_id,
        function_call_jwt=opened.call_id,
        pipelined_inputs=_put(world, call, opened, request.pipelined_inputs),
        # Attempts after a failure are made here, so the SDK must not make its own as well.
        sync_client_retries_enabled=False,
        max_inputs_outstanding=1000,
    )


async def function_put_inputs(
    world: World, call: Call[api_pb2.FunctionPutInputsRequest]
) -> api_pb2.FunctionPutInputsResponse:
    """Queue more inputs of a call."""
    opened = world.calls.call(call.request.function_call_id)
    world.calls.attend(opened)
    return api_pb2.FunctionPutInputsResponse(inputs=_put(world, call, opened, call.request.inputs))


async def function_get_outputs(
    world: World, call: Call[api_pb2.FunctionGetOutputsRequest]
) -> api_pb2.FunctionGetOutputsResponse:
    """Return outputs after an entry, waiting for the first one as long as the caller says."""
    request = call.request
    opened = world.calls.call(request.function_call_id)
    with world.calls.asking(opened):
        found = await _wait(world, call, opened)
    last = f"{found[-1].entry}-0" if found else request.last_entry_id
    return known(
        api_pb2.FunctionGetOutputsResponse,
        outputs=[_output(i) for i in found],
        last_entry_id=last,
        num_unfinished_inputs=opened.unfinished,
    )


async def function_call_cancel(
    world: World, call: Call[api_pb2.FunctionCallCancelRequest]
) -> Empty:
    """Cancel what is left of a call."""
    opened = world.calls.call(call.request.function_call_id)
    if call.request.terminate_containers:
        # "Any other inputs running concurrently on those containers will be rescheduled."
        world.dispatcher.end_containers(opened)
    world.dispatcher.cancel(opened, terminated(world))
    return Empty()


async def function_call_from_id(
    world: World, call: Call[api_pb2.FunctionCallFromIdRequest]
) -> api_pb2.FunctionCallFromIdResponse:
    """Find a call again."""
    opened = world.calls.call(call.request.function_call_id)
    function = world.apps.past(opened.function_id)
    metadata = None
    if hasattr(api_pb2, "FunctionCallHandleMetadata"):
        metadata = api_pb2.FunctionCallHandleMetadata(
            app_id=function.app_id, function_id=function.function_id
        )
    return known(
        api_pb2.FunctionCallFromIdResponse,
        function_call_id=opened.call_id,
        num_inputs=len(opened.inputs),
        metadata=metadata,
    )


async def function_get_call_graph(
    world: World, call: Call[api_pb2.FunctionGetCallGraphRequest]
) -> api_pb2.FunctionGetCallGraphResponse:
    """Return the inputs of all calls that go back to the same first one."""
    graph = world.calls.graph(world.calls.call(call.request.function_call_id))
    calls: list[api_pb2.FunctionCallCallGraphInfo] = []
    inputs: list[api_pb2.InputCallGraphInfo] = []
    for opened in graph:
        if len(inputs) >= LARGEST_GRAPH:
            break
        calls.append(_call_node(world, opened))
        inputs += [_input_node(i) for i in opened.inputs[: LARGEST_GRAPH - len(inputs)]]
    return known(
        api_pb2.FunctionGetCallGraphResponse,
        inputs=inputs,
        function_calls=calls,
        truncated=len(inputs) >= LARGEST_GRAPH,
    )


async def function_call_get_data_out(
    world: World, call: Call[api_pb2.FunctionCallGetDataRequest]
) -> AsyncIterator[api_pb2.DataChunk]:
    """Stream what a generator gives, from an index on."""
    opened = world.calls.call(call.request.function_call_id)
    given = call.request.last_index
    patience = Patience(world, call, STREAM_SECONDS)
    with world.calls.asking(opened):
        while True:
            for chunk in opened.produced[given:]:
                given += 1
                yield api_pb2.DataChunk.FromString(chunk)
            if not opened.unfinished or not await patience.wait(opened.pulse, opened.is_at_work):
                return


def _call_node(world: World, opened: FunctionCall) -> api_pb2.FunctionCallCallGraphInfo:
    function = world.apps.past(opened.function_id)
    name = function.tag
    if opened.inputs and name.endswith(".*"):
        method = api_pb2.FunctionInput.FromString(opened.inputs[0].payload).method_name
        name = name.removesuffix("*") + method  # what Modal shows for a class is not seen [guess]
    return known(
        api_pb2.FunctionCallCallGraphInfo,
        function_call_id=opened.call_id,
        parent_input_id=opened.parent_input_id,
        function_name=name,
        module_name=definition_of(function).module_name,
    )


def _input_node(shown: Input) -> api_pb2.InputCallGraphInfo:
    return known(
        api_pb2.InputCallGraphInfo,
        input_id=shown.input_id,
        function_call_id=shown.call_id,
        task_id=shown.container_id,
        status=shown.outcome.status.value if shown.outcome else 0,
    )


def _put(
    world: World,
    call: Call[Any],
    opened: FunctionCall,
    asked: Iterable[api_pb2.FunctionPutInputsItem],
) -> list[api_pb2.FunctionPutInputsResponseItem]:
    replies = []
    world.dispatcher.check_room(opened)
    for item in asked:
        payload = item.input.SerializeToString()
        new = world.dispatcher.submit(opened, item.idx, payload, call.container_id or "")
        replies.append(
            api_pb2.FunctionPutInputsResponseItem(
                idx=item.idx, input_id=new.input_id, input_jwt=new.input_id
            )
        )
    return replies


async def _wait(
    world: World, call: Call[api_pb2.FunctionGetOutputsRequest], opened: FunctionCall
) -> list[Input]:
    request = call.request
    after = int(request.last_entry_id.partition("-")[0] or 0)
    first = request.start_idx if has(request, "start_idx") else None
    last = request.end_idx if has(request, "end_idx") else None
    patience = Patience(world, call, request.timeout)
    while True:
        found = world.calls.outcomes(opened, after, first, last)
        if found or opened.expired or not await patience.wait(opened.pulse, opened.is_at_work):
            return found[: request.max_values] if request.max_values else found


def _output(done: Input) -> api_pb2.FunctionGetOutputsItem:
    outcome = done.outcome
    assert outcome is not None  # `outcomes` gives finished inputs only
    return known(
        api_pb2.FunctionGetOutputsItem,
        result=api_pb2.GenericResult.FromString(outcome.result),
        idx=done.index,
        input_id=done.input_id,
        data_format=outcome.data_format,
        task_id=outcome.container_id,
        input_started_at=outcome.started_at,
        output_created_at=outcome.created_at,
        # Attempts that the caller's SDK made, and it makes none; another number is a stale result.
        retry_count=0,
    )


RPCS: dict[str, Rpc] = {
    "FunctionMap": full(function_map),
    "FunctionPutInputs": full(function_put_inputs),
    "FunctionGetOutputs": full(function_get_outputs),
    "FunctionFinishInputs": accepted(Empty, "the number of inputs is known from the inputs"),
    "FunctionCallCancel": full(function_call_cancel),
    "FunctionCallFromId": full(function_call_from_id),
    "FunctionGetCallGraph": full(function_get_call_graph),
    "FunctionCallGetDataOut": stream(function_call_get_data_out),
}

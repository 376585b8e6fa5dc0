"""
What the command `modal function` asks about a function: its calls, variants and numbers.

All is counted from the calls and the containers that there are. What Modal measures beside them,
how long inputs wait and containers start, how much memory they take, is not measured here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from modal_proto import api_pb2

from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import has, known
from modal_emulator.rpc.definitions import definition_of
from modal_emulator.rpc.tables import Rpc, full, partly
from modal_emulator.schedule.calls import FunctionCall, Input, State, Status
from modal_emulator.store.apps import Function
from modal_emulator.world import World

__all__ = ["RPCS"]

# The numbers are those of Modal's FunctionCallInputStatus, which releases before 1.5 do not have.
PENDING, RUNNING = 1, 2
ENDED = {
    Status.SUCCESS: 3,
    Status.FAILURE: 4,
    Status.TIMEOUT: 5,
    Status.TERMINATED: 6,
    Status.INIT_FAILURE: 7,
    Status.INTERNAL_FAILURE: 8,
}


async def function_call_fetch(
    world: World, call: Call[api_pb2.FunctionCallFetchRequest]
) -> api_pb2.FunctionCallFetchResponse:
    """List the newest inputs of a function, or those that came in a span of time."""
    request = call.request
    found = [i for _, i in _inputs(world, request.function_id, all_variants=request.all_variants)]
    found.sort(key=lambda i: (i.queued_at, i.input_id))
    if request.HasField("range"):
        since, until = _seconds(request.range.since), _seconds(request.range.until)
        found = [i for i in found if since <= i.queued_at < until]
        found = found[: request.range.limit] if request.range.limit else found
    elif request.tail.count:
        found = found[-request.tail.count :]
    return api_pb2.FunctionCallFetchResponse(function_call_inputs=[_row(i) for i in found])


async def function_call_count(
    world: World, call: Call[api_pb2.FunctionCallCountRequest]
) -> api_pb2.FunctionCallCountResponse:
    """Count the inputs of a function that came in each piece of a span of time."""
    request, counts = call.request, Counter[int]()
    since, until = _seconds(request.since), _seconds(request.until)
    width = max(1, request.bucket_secs)
    for _, one in _inputs(world, request.function_id, all_variants=request.all_variants):
        if since <= one.queued_at < until:
            counts[int((one.queued_at - since) // width)] += 1
    response = api_pb2.FunctionCallCountResponse()
    for number, count in sorted(counts.items()):
        bucket = response.buckets.add(count=count)
        bucket.bucket_start_at.FromNanoseconds(round((since + number * width) * 1e9))
    return response


async def function_call_get_info(
    world: World, call: Call[api_pb2.FunctionCallGetInfoRequest]
) -> api_pb2.FunctionCallGetInfoResponse:
    """Count how the inputs of a call ended; an SDK that shows its logs stops when all have."""
    opened = world.calls.call(call.request.function_call_id)
    return api_pb2.FunctionCallGetInfoResponse(info=_info(opened))


async def function_call_list(
    world: World, call: Call[api_pb2.FunctionCallListRequest]
) -> api_pb2.FunctionCallListResponse:
    """List the calls of a function, newest first."""
    calls = world.calls.of_function(call.request.function_id)
    return api_pb2.FunctionCallListResponse(function_calls=[_info(opened) for opened in calls])


async def function_list_variants(
    world: World, call: Call[api_pb2.FunctionListVariantsRequest]
) -> api_pb2.FunctionListVariantsResponse:
    """List the variants of a function, all at once, with what makes them."""
    base = world.apps.function(call.request.function_id)
    infos = []
    for variant in world.apps.variants(base.app_id):
        if variant.base_id != base.function_id:
            continue
        info = known(
            api_pb2.FunctionVariantInfo,
            function_id=variant.function_id,
            serialized_params=variant.parameters,
        )
        if variant.options:
            info.function_options.ParseFromString(variant.options)
        infos.append(info)
    most = call.request.limit or len(infos)
    return api_pb2.FunctionListVariantsResponse(infos=infos[:most])


async def function_get_scheduling_params(
    world: World, call: Call[api_pb2.FunctionGetSchedulingParamsRequest]
) -> api_pb2.FunctionGetSchedulingParamsResponse:
    """Say how many containers a function keeps: as it was written, and as it is now."""
    function = world.apps.function(call.request.function_id)
    now = definition_of(function).autoscaler_settings
    return api_pb2.FunctionGetSchedulingParamsResponse(
        autoscaler_configuration=api_pb2.AutoscalerConfiguration(settings=now, static_settings=now)
    )


async def function_get_time_range_stats(
    world: World, call: Call[api_pb2.FunctionGetTimeRangeStatsRequest]
) -> api_pb2.FunctionGetTimeRangeStatsResponse:
    """Count inputs by how they ended in a span of time, and the containers that there are."""
    request = call.request
    since, until = _seconds(request.since), _seconds(request.until)
    counts: Counter[int] = Counter()
    for _, one in _inputs(world, request.function_id, all_variants=request.rollup):
        mine = not request.container_id or one.container_id == request.container_id
        if mine and since <= one.queued_at < until:
            counts[_status(one)] += 1
    asked = {f.function_id for f in _functions(world, request.function_id, request.rollup)}
    workers = [w for w in world.dispatcher.workers() if w.pool.function.function_id in asked]
    up = sum(w.ready for w in workers)
    succeeded, timed_out = counts[ENDED[Status.SUCCESS]], counts[ENDED[Status.TIMEOUT]]
    ended = sum(counts[status] for status in ENDED.values())
    return api_pb2.FunctionGetTimeRangeStatsResponse(
        since=request.since,
        until=request.until,
        input_success_count=succeeded,
        input_failure_count=ended - succeeded - timed_out,
        input_timeout_count=timed_out,
        input_running_at_end_count=counts[RUNNING],
        container_started_count=up,
        container_creating_at_end_count=len(workers) - up,
        container_total_count=len(workers),
        variant_count=len(asked) - 1,
    )


def _info(opened: FunctionCall) -> api_pb2.FunctionCallInfo:
    ended = Counter(i.outcome.status for i in opened.inputs if i.outcome is not None)
    succeeded, timed_out = ended[Status.SUCCESS], ended[Status.TIMEOUT]
    cancelled = ended[Status.TERMINATED]
    failed = sum(ended.values()) - succeeded - timed_out - cancelled
    return known(
        api_pb2.FunctionCallInfo,
        function_call_id=opened.call_id,
        created_at=opened.created_at,
        pending_inputs=api_pb2.InputCategoryInfo(total=opened.unfinished),
        failed_inputs=api_pb2.InputCategoryInfo(total=failed),
        succeeded_inputs=api_pb2.InputCategoryInfo(total=succeeded),
        timeout_inputs=api_pb2.InputCategoryInfo(total=timed_out),
        cancelled_inputs=api_pb2.InputCategoryInfo(total=cancelled),
        total_inputs=len(opened.inputs),
    )


def _functions(world: World, function_id: str, all_variants: bool) -> list[Function]:
    function = world.apps.function(function_id)
    variants = world.apps.variants(function.app_id) if all_variants else ()
    return [function, *(v for v in variants if v.base_id == function.function_id)]


def _inputs(
    world: World, function_id: str, *, all_variants: bool
) -> Iterator[tuple[Function, Input]]:
    for function in _functions(world, function_id, all_variants):
        for opened in world.calls.of_function(function.function_id):
            for one in opened.inputs:
                yield function, one


def _status(one: Input) -> int:
    if one.outcome is not None:
        return ENDED[one.outcome.status]
    return RUNNING if one.state is State.RUNNING else PENDING


def _row(one: Input) -> api_pb2.FunctionCallInputInfo:
    row = api_pb2.FunctionCallInputInfo(function_call_id=one.call_id)
    row.status = _status(one)  # type: ignore[assignment]
    row.enqueued_at.FromNanoseconds(round(one.queued_at * 1e9))
    if one.container_id:
        row.container_id = one.container_id
        row.started_at.FromNanoseconds(round(one.taken_at * 1e9))
    if one.container_id and one.outcome is not None:
        row.execution_time_seconds = one.finished_at - one.taken_at
    payload = api_pb2.FunctionInput.FromString(one.payload)
    if has(payload, "method_name") and payload.method_name:
        row.service_method_name = payload.method_name
    return row


def _seconds(stamp: object) -> float:
    return float(stamp.ToNanoseconds()) / 1e9  # type: ignore[attr-defined]


RPCS: dict[str, Rpc] = {
    "FunctionCallFetch": full(function_call_fetch),
    "FunctionCallCount": full(function_call_count),
    "FunctionCallGetInfo": partly(function_call_get_info, "numbers alone, not the latest inputs"),
    "FunctionCallList": partly(function_call_list, "numbers alone, not the latest inputs"),
    "FunctionListVariants": full(function_list_variants),
    "FunctionGetSchedulingParams": partly(
        function_get_scheduling_params, "not who changed them and when"
    ),
    "FunctionGetTimeRangeStats": partly(
        function_get_time_range_stats,
        "counts alone, no percentiles; containers that are gone are not counted",
    ),
}

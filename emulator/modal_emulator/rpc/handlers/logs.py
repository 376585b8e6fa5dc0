"""Logs of apps: streamed while they come, or fetched from what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.timestamp_pb2 import Timestamp
from modal_proto import api_pb2

from modal_emulator.ground.clock import machine_time
from modal_emulator.ground.virtual import Mode
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.compat import known
from modal_emulator.rpc.paging import CLOCKS_APART
from modal_emulator.rpc.tables import Rpc, full, stream
from modal_emulator.schedule.logs import LogFilter, LogLine
from modal_emulator.world import World

__all__ = ["RPCS"]


async def app_get_logs(
    world: World, call: Call[api_pb2.AppGetLogsRequest]
) -> AsyncIterator[api_pb2.TaskLogsBatch]:
    """Stream lines as they come, until the app is done or the caller's time is up."""
    request = call.request
    app_id = request.app_id or _app_of(world, request.task_id)
    wanted = _filter(request, request.file_descriptor)
    after = int(request.last_entry_id.partition("-")[0] or 0)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + request.timeout
    while True:
        closed = world.logs.closed(app_id) or world.bygones.is_over(request.task_id)
        for line in world.logs.read(app_id, after, wanted):
            after = line.entry
            yield _batch(line)
        if closed:
            yield api_pb2.TaskLogsBatch(app_done=True)
            return
        left = deadline - loop.time()
        if left <= 0:
            return
        await world.logs.wait(app_id, left)


async def app_fetch_logs(
    world: World, call: Call[api_pb2.AppFetchLogsRequest]
) -> api_pb2.AppFetchLogsResponse:
    """Return the newest lines of a span of time, oldest first."""
    lines = _fetch(world, call.request)
    return api_pb2.AppFetchLogsResponse(
        batches=[_batch(line) for line in lines[-(call.request.limit or len(lines)) :]]
    )


async def app_count_logs(
    world: World, call: Call[api_pb2.AppCountLogsRequest]
) -> api_pb2.AppCountLogsResponse:
    """Count the lines of a span of time in buckets."""
    size = call.request.bucket_secs or 1
    counts: dict[int, int] = {}
    for line in _fetch(world, call.request):
        start = int(line.at) // size * size
        counts[start] = counts.get(start, 0) + 1
    bucket = api_pb2.AppCountLogsResponse.LogBucket
    return api_pb2.AppCountLogsResponse(
        app_id=call.request.app_id,
        buckets=[
            known(bucket, bucket_start_at=Timestamp(seconds=start), stdout_logs=count)
            for start, count in sorted(counts.items())
        ],
    )


def _fetch(
    world: World, request: api_pb2.AppFetchLogsRequest | api_pb2.AppCountLogsRequest
) -> list[LogLine]:
    since = request.since.ToNanoseconds() / 1e9
    until = request.until.ToNanoseconds() / 1e9 or float("inf")
    wanted = _filter(request, request.source, *_here(world, since, until))
    return list(world.logs.read(request.app_id, 0, wanted))


def _here(world: World, since: float, until: float) -> tuple[float, float]:
    """
    Return a span of time as the emulator's clock has it.

    Clients look back from their own present, which is the machine's. A beginning that our clock
    has reached may as well have been written out, and stays.
    """
    now, there = world.clock.now(), machine_time()
    if world.clock.mode is Mode.REAL or abs(until - there) > CLOCKS_APART:
        return since, until
    return (since if since <= now else since - there + now), max(until, now)


def _filter(
    request: api_pb2.AppGetLogsRequest | api_pb2.AppFetchLogsRequest | api_pb2.AppCountLogsRequest,
    descriptor: int,
    since: float = 0.0,
    until: float = float("inf"),
) -> LogFilter:
    return LogFilter(
        function_id=request.function_id,
        container_id=request.task_id,
        call_id=getattr(request, "function_call_id", ""),
        descriptor=descriptor,
        text=getattr(request, "search_text", ""),
        since=since,
        until=until,
    )


def _app_of(world: World, container_id: str) -> str:
    there = {w.container_id: w.pool.function.app_id for w in world.dispatcher.workers()}
    there |= {s.container_id: s.app_id for s in world.sandboxes.all()}
    return there.get(container_id) or world.bygones.get(container_id).app_id


def _batch(line: LogLine) -> api_pb2.TaskLogsBatch:
    item = known(
        api_pb2.TaskLogs,
        data=line.text,
        timestamp=line.at,
        timestamp_ns=int(line.at * 1e9),
        file_descriptor=line.descriptor,
        function_call_id=line.call_id,
        input_id=line.input_id,
    )
    return known(
        api_pb2.TaskLogsBatch,
        entry_id=str(line.entry),
        task_id=line.container_id,
        function_id=line.function_id,
        input_id=line.input_id,
        items=[item],
    )


RPCS: dict[str, Rpc] = {
    "AppGetLogs": stream(app_get_logs),
}
if hasattr(api_pb2, "AppFetchLogsRequest"):
    RPCS["AppFetchLogs"] = full(app_fetch_logs)
    RPCS["AppCountLogs"] = full(app_count_logs)

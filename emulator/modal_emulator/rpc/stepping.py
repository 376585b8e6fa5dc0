"""
Which calls of the SDK are steps, and of what.

The table says for each such RPC what a request does to which object. Who calls is added here; how
a step is held or noted is in `schedule/steps`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.steps import Kind, Step
from modal_emulator.rpc.baring import BARED
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.striking import struck
from modal_emulator.rpc.tables import Unary
from modal_emulator.schedule.worker import Worker
from modal_emulator.world import World

__all__ = ["STEPS", "done", "input_step", "keys_of", "stop_step"]

T = TypeVar("T")

Maker = Callable[[Any], Step]


def _volume(kind: Kind) -> Maker:
    return lambda request: Step(kind, object_id=request.volume_id)


def _dict(kind: Kind, *, keyed: bool = False) -> Maker:
    def make(request: Any) -> Step:
        return Step(kind, object_id=request.dict_id, path=repr(request.key) if keyed else "")

    return make


def keys_of(request: Any) -> str:
    """Return the keys that a DictUpdate is about, as the path of its step."""
    return ", ".join(repr(entry.key) for entry in request.updates)


def _dict_update(request: Any) -> Step:
    return Step(Kind.DICT_WRITE, object_id=request.dict_id, path=keys_of(request))


def _queue(kind: Kind, every: str = "") -> Maker:
    """Return what makes a step of a partition, or of all where the field `every` says so."""

    def make(request: Any) -> Step:
        path = "" if every and getattr(request, every) else repr(request.partition_key)
        return Step(kind, object_id=request.queue_id, path=path)

    return make


STEPS: dict[str, Maker] = {
    "VolumeCommit": _volume(Kind.COMMIT),
    "VolumeReload": _volume(Kind.RELOAD),
    "DictGet": _dict(Kind.DICT_READ, keyed=True),
    "DictContains": _dict(Kind.DICT_READ, keyed=True),
    "DictLen": _dict(Kind.DICT_READ),
    "DictContents": _dict(Kind.DICT_READ),
    "DictUpdate": _dict_update,
    "DictPop": _dict(Kind.DICT_WRITE, keyed=True),
    "DictClear": _dict(Kind.DICT_WRITE),
    "QueuePut": _queue(Kind.QUEUE_PUT),
    "QueueGet": _queue(Kind.QUEUE_GET),
    "QueueNextItems": _queue(Kind.QUEUE_READ),
    "QueueLen": _queue(Kind.QUEUE_READ, "total"),
    "QueueClear": _queue(Kind.QUEUE_GET, "all_partitions"),
    "FunctionMap": lambda request: Step(Kind.CALL, object_id=request.function_id),
    "FunctionGetOutputs": lambda request: Step(Kind.RESULT, object_id=request.function_call_id),
    "FunctionPutOutputs": lambda request: Step(Kind.OUTPUT),
}
"""By the name of the RPC."""

VERSIONED = frozenset({Kind.COMMIT, Kind.EXIT_COMMIT, Kind.RELOAD})
"""Those of a volume: their step says what the container saw before."""


async def done(world: World, name: str, unary: Unary, call: Call[Any]) -> Any:
    """Answer a call of one message and one reply, which may be a step, and may be struck."""
    if world.faults.at_rpcs:
        return await struck(world, name, call, lambda: _answered(world, name, unary, call))
    return await _answered(world, name, unary, call)


def _answered(world: World, name: str, unary: Unary, call: Call[Any]) -> Awaitable[Any]:
    if (bared := BARED.get(name)) is not None and world.leaks.needles:
        bared(world, call)
    if (make := STEPS.get(name)) is None:
        return unary(world, call)
    return _stepped(world, make(call.request), call, lambda: unary(world, call))


async def _stepped(
    world: World, step: Step, call: Call[Any], work: Callable[[], Awaitable[T]]
) -> T:
    step = replace(step, where=call.where)
    if (worker := _worker(world, call.container_id)) is not None:
        step = _by(world, worker, step)
        if step.kind is Kind.COMMIT and worker.leaving and not worker.inputs:
            # The SDK commits every volume once nothing is left to do.
            step = replace(step, kind=Kind.EXIT_COMMIT)
        if step.kind in VERSIONED:
            version = world.commits.version(worker.container_id, step.object_id)
            step = replace(step, version=version)
    return await world.steps.take(step, work)


async def input_step(world: World, worker: Worker) -> None:
    """Let a container begin with what it was just given."""
    await world.steps.take(_by(world, worker, Step(Kind.INPUT)), _nothing)


async def stop_step(world: World, worker: Worker) -> None:
    """Let a container begin to leave."""
    await world.steps.take(_by(world, worker, Step(Kind.STOP)), _nothing)


async def _nothing() -> None:
    pass


def _worker(world: World, container_id: str | None) -> Worker | None:
    if container_id is None:
        return None
    try:
        return world.dispatcher.worker(container_id)
    except NotFound:  # a Sandbox's
        return None


def _by(world: World, worker: Worker, step: Step) -> Step:
    calls = {world.calls.input(input_id).call_id for input_id in worker.inputs}
    return replace(
        step,
        container_id=worker.container_id,
        function=worker.pool.function.tag.removesuffix(".*"),
        # With several at once nobody can tell which one it is.
        call_id=calls.pop() if len(calls) == 1 else "",
    )

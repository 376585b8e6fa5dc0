"""
Which calls of the SDK are steps, and of what.

The table says for each such RPC what a request does to which object. Who calls is added here; how
a step is held or noted is in `schedule/steps`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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

What = tuple[Kind, str, str]
"""What a step does, to which object, and to which path or key in it."""

Reader = Callable[[Any], What]


def _volume(kind: Kind) -> Reader:
    return lambda request: (kind, request.volume_id, "")


def _dict(kind: Kind, *, keyed: bool = False) -> Reader:
    return lambda request: (kind, request.dict_id, repr(request.key) if keyed else "")


def keys_of(request: Any) -> str:
    """Return the keys that a DictUpdate is about, as the path of its step."""
    return ", ".join(repr(entry.key) for entry in request.updates)


def _dict_update(request: Any) -> What:
    return Kind.DICT_WRITE, request.dict_id, keys_of(request)


def _queue(kind: Kind, every: str = "") -> Reader:
    """Return what reads a step on a partition, or on all where the field `every` says so."""

    def read(request: Any) -> What:
        path = "" if every and getattr(request, every) else repr(request.partition_key)
        return kind, request.queue_id, path

    return read


STEPS: dict[str, Reader] = {
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
    "FunctionMap": lambda request: (Kind.CALL, request.function_id, ""),
    "FunctionGetOutputs": lambda request: (Kind.RESULT, request.function_call_id, ""),
    "FunctionPutOutputs": lambda request: (Kind.OUTPUT, "", ""),
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
    if (read := STEPS.get(name)) is None:
        return unary(world, call)
    step = _step(world, read(call.request), call.container_id, call.where)
    return world.steps.take(step, lambda: unary(world, call))


def _step(world: World, what: What, container_id: str | None, where: tuple[str, ...]) -> Step:
    kind, object_id, path = what
    if (worker := _worker(world, container_id)) is None:
        return Step(kind, object_id=object_id, path=path, where=where)
    if kind is Kind.COMMIT and worker.leaving and not worker.inputs:
        # The SDK commits every volume once nothing is left to do.
        kind = Kind.EXIT_COMMIT
    version = 0
    if kind in VERSIONED:
        version = world.commits.version(worker.container_id, object_id)
    return _by(world, worker, (kind, object_id, path), version, where)


async def input_step(world: World, worker: Worker) -> None:
    """Let a container begin with what it was just given."""
    await world.steps.take(_by(world, worker, (Kind.INPUT, "", "")), _nothing)


async def stop_step(world: World, worker: Worker) -> None:
    """Let a container begin to leave."""
    await world.steps.take(_by(world, worker, (Kind.STOP, "", "")), _nothing)


async def _nothing() -> None:
    pass


def _worker(world: World, container_id: str | None) -> Worker | None:
    if container_id is None:
        return None
    try:
        return world.dispatcher.worker(container_id)
    except NotFound:  # a Sandbox's
        return None


def _by(
    world: World, worker: Worker, what: What, version: int = 0, where: tuple[str, ...] = ()
) -> Step:
    kind, object_id, path = what
    calls = {world.calls.input(input_id).call_id for input_id in worker.inputs}
    # With several at once nobody can tell which one it is.
    call_id = calls.pop() if len(calls) == 1 else ""
    function = worker.pool.function.tag.removesuffix(".*")
    container_id = worker.container_id
    # By their order: this is done for every call.
    return Step(kind, container_id, function, call_id, object_id, path, "", (), version, where)

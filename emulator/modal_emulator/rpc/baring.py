"""
Which calls of the SDK bring things to light that may hold a secret, and where that is.

They are looked through as the bytes that they are on the wire: a serialised text is in them as it
stands. What is looked for is known to `schedule/leaks`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from modal_emulator.engines.embedded import DICT, QUEUE
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.rpc.call import Call
from modal_emulator.schedule.calls import Status
from modal_emulator.schedule.leaks import Place
from modal_emulator.world import World

__all__ = ["BARED"]

Bared = Callable[[World, Call[Any]], None]


def _outputs(world: World, call: Call[Any]) -> None:
    who = _who(world, call)
    for item in call.request.outputs:
        is_result = item.result.status == Status.SUCCESS.value
        where = f"in {'a result of' if is_result else 'what is raised by'} {who}"
        _one(world, call, item.result, where)


def _one(world: World, call: Call[Any], holder: Any, where: str) -> None:
    """Look through a message whose data may lie in a blob."""
    place = partial(Place, where, call.container_id or "")
    world.leaks.look(holder.SerializeToString(), place)
    if file := _blob(world, holder.data_blob_id):
        world.leaks.look_into(file, place())


def _produced(world: World, call: Call[Any]) -> None:
    try:
        passes = world.calls.call(call.request.function_call_id).passage is not None
    except EmulatorError:
        return
    if passes:
        return  # a web function's: looked through at the edge, where it is an answer
    for chunk in call.request.data_chunks:
        _one(world, call, chunk, f"in what is yielded by {_who(world, call)}")


def _failure(world: World, call: Call[Any]) -> None:
    _one(world, call, call.request.result, f"in what is raised by {_who(world, call)}")


def _dict_update(world: World, call: Call[Any]) -> None:
    place = partial(_object, world, DICT, call.request.dict_id, call.container_id or "")
    for entry in call.request.updates:
        world.leaks.look(entry.key, place)
        world.leaks.look(entry.value, place)


def _queue_put(world: World, call: Call[Any]) -> None:
    place = partial(_object, world, QUEUE, call.request.queue_id, call.container_id or "")
    for value in call.request.values:
        world.leaks.look(value, place)


BARED: dict[str, Bared] = {
    "FunctionPutOutputs": _outputs,
    "FunctionCallPutDataOut": _produced,
    "TaskResult": _failure,
    "DictUpdate": _dict_update,
    "QueuePut": _queue_put,
}
"""By the name of the RPC."""


def _who(world: World, call: Call[Any]) -> str:
    try:
        worker = world.dispatcher.worker(call.container_id or "")
    except EmulatorError:
        return "a container"
    return worker.pool.function.tag.removesuffix(".*")


def _object(world: World, kind: str, object_id: str, container_id: str) -> Place:
    try:
        name = world.names.get(kind, object_id).name
    except EmulatorError:  # it is kept elsewhere
        name = ""
    return Place(f"in {kind} '{name or object_id}'", container_id)


def _blob(world: World, blob_id: str) -> Path | None:
    if not blob_id:
        return None
    try:
        return world.blobs.path(blob_id)
    except EmulatorError:
        return None

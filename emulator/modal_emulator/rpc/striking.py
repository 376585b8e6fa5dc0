"""
What a call of the SDK is about, in the words of a plan of faults.

The front asks here only while a plan means RPCs. Objects and paths are read off the request by the
names of its fields, which are the same throughout Modal's protocol.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.steps import Moment
from modal_emulator.rpc.call import Call
from modal_emulator.schedule.faults.plans import Occasion, Site
from modal_emulator.world import World

__all__ = ["strike", "struck"]

T = TypeVar("T")

IDS = {
    "volume_id": "volume",
    "dict_id": "dict",
    "queue_id": "queue",
    "secret_id": "secret",
    "function_id": "called",
    "function_call_id": "called",
}
NAMED = {"Volume": "volume", "Dict": "dict", "Queue": "queue", "Secret": "secret"}
KEYS = ("key", "partition_key")  # of Dicts and Queues, as the steps tell them
PATHS = ("path", "paths", "src_paths", "dst_path")
UNAWARE = "Heartbeat"
"""In the name of what an SDK sends on its own, whatever the user's code does."""


async def struck(world: World, name: str, call: Call[Any], work: Callable[[], Awaitable[T]]) -> T:
    """
    Do the work of a call, with the faults that strike before and after it.

    Raises:
        Exception: whatever the work raises, or a fault.
    """
    await strike(world, name, call, Moment.BEFORE)
    result = await work()
    await strike(world, name, call, Moment.AFTER)
    return result


async def strike(world: World, name: str, call: Call[Any], moment: Moment) -> None:
    """Let strike what does now."""
    about = Occasion(
        Site.RPC,
        name,
        moment,
        call.container_id or "",
        _function(world, call.container_id),
        dict(_objects(name, call.request)),
        tuple(_paths(call.request)),
    )
    await world.striking.meet(about, rests=UNAWARE not in name)


def _function(world: World, container_id: str | None) -> str:
    if container_id is None:
        return ""
    try:
        return world.dispatcher.worker(container_id).pool.function.tag.removesuffix(".*")
    except NotFound:  # a Sandbox's
        return ""


def _objects(name: str, request: Any) -> Iterator[tuple[str, str]]:
    fields: Mapping[str, Any] = request.DESCRIPTOR.fields_by_name
    for field, word in IDS.items():
        if field in fields and getattr(request, field):
            yield word, getattr(request, field)
    for family, word in NAMED.items():
        if name.startswith(family) and "deployment_name" in fields and request.deployment_name:
            yield word, request.deployment_name
    if "object_tag" in fields and request.object_tag:
        yield "called", request.object_tag


def _paths(request: Any) -> Iterator[str]:
    fields: Mapping[str, Any] = request.DESCRIPTOR.fields_by_name
    for name in PATHS:
        if name in fields:
            value = getattr(request, name)
            for path in [value] if isinstance(value, str | bytes) else value:
                yield path.decode(errors="replace") if isinstance(path, bytes) else path
    for name in KEYS:
        if name in fields and isinstance(getattr(request, name), bytes):
            yield repr(getattr(request, name))
    if "updates" in fields and request.DESCRIPTOR.name.startswith("Dict"):
        yield from (repr(entry.key) for entry in request.updates)
    if "files" in fields:
        for file in request.files:
            yield getattr(file, "path", "") or getattr(file, "filename", "")

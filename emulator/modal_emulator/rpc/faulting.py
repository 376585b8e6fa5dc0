"""The part of the service beside Modal's that is about faults."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from modal_emulator.ground.instants import show_instant
from modal_emulator.schedule.faults.struck import struck
from modal_emulator.schedule.faults.words import line_of
from modal_emulator.world import World

__all__ = ["METHODS"]

Asked = Mapping[str, Any]  # what JSON can hold
Row = dict[str, Any]


async def faults_list(world: World, _asked: Asked) -> Row:
    """List what may happen still, and what did."""
    return {
        "plans": [str(plan) for plan in world.faults.plans()],
        "struck": [
            {**asdict(each), "at": show_instant(each.at)} for each in struck(world.journal.events())
        ],
    }


async def faults_add(world: World, asked: Asked) -> Row:
    """Plan a fault, written as a line."""
    plan, _ = world.planning.add(*line_of(str(asked.get("line", ""))))
    return {"plans": [str(plan)]}


async def faults_load(world: World, asked: Asked) -> Row:
    """Plan what a file says, in place of what is left of the file before."""
    return {"plans": [str(plan) for plan in world.planning.load(str(asked.get("text", "")))]}


async def faults_clear(world: World, _asked: Asked) -> Row:
    """Forget all plans."""
    plans = [str(plan) for plan in world.faults.plans()]
    world.faults.clear()
    return {"plans": plans}


METHODS: dict[str, Callable[[World, Asked], Awaitable[Row]]] = {
    "FaultsList": faults_list,
    "FaultsAdd": faults_add,
    "FaultsLoad": faults_load,
    "FaultsClear": faults_clear,
}

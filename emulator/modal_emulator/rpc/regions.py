"""The part of the service beside Modal's that is about regions."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from modal_emulator.world import World

__all__ = ["METHODS"]

Asked = Mapping[str, Any]  # what JSON can hold
Row = dict[str, Any]


async def region_list(world: World, _asked: Asked) -> Row:
    """List the regions."""
    return {"regions": [asdict(state) for state in world.outages.list()]}


async def region_down(world: World, asked: Asked) -> Row:
    """Take a region down."""
    return {"down": sorted(await world.outages.down(str(asked.get("name", ""))))}


async def region_up(world: World, asked: Asked) -> Row:
    """Bring a region up again."""
    return {"up": sorted(world.outages.up(str(asked.get("name", ""))))}


METHODS: dict[str, Callable[[World, Asked], Awaitable[Row]]] = {
    "RegionList": region_list,
    "RegionDown": region_down,
    "RegionUp": region_up,
}

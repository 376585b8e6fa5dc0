"""
Where containers run: one of the regions that their function allows and that are up.

Containers of a function take its regions in turn, in the order in which they were asked for, so
who asks for several gets all of them and the same ones each time. A function that asks for none
is in the first of the table. Which regions are down is known here; what becomes of containers in
them is decided in `outages`.
"""

from dataclasses import dataclass

from modal_emulator.store.placements import Placement
from modal_emulator.store.regions import regions_for, regions_in

__all__ = ["Place", "Placing"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container is."""

    region: str
    cloud: str
    zone: str = ""
    """Only where the function asks for one."""


class Placing:
    """Chooses places."""

    def __init__(self) -> None:
        self._down: set[str] = set()
        self._turns: dict[str, int] = {}

    def place(self, function_id: str, placement: Placement) -> Place | None:
        """Return the place of a function's next container; None while there is none."""
        # A zone is in one region alone.
        allowed = [r for r in regions_for(placement) if placement.zone.startswith(r.name)] or [
            *regions_for(placement)
        ]
        up = [r for r in allowed if r.name not in self._down]
        if not up:
            return None
        turn = self._turns.get(function_id, 0) if placement.regions else 0
        self._turns[function_id] = turn + 1
        chosen = up[turn % len(up)]
        return Place(chosen.name, chosen.cloud, placement.zone)

    def take_down(self, name: str) -> frozenset[str]:
        """Take a region down, and all in it if it is a broad one; return which those are."""
        names = frozenset(r.name for r in regions_in(name))
        self._down |= names
        return names

    def bring_up(self, name: str) -> frozenset[str]:
        """Bring a region up again."""
        names = frozenset(r.name for r in regions_in(name))
        self._down -= names
        return names

    def is_down(self, region: str) -> bool:
        """Say whether a narrow region is down."""
        return region in self._down

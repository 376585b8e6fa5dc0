"""
Regions that go down and come up again.

A region that goes down takes its containers along without a word; what they worked on begins again
where their function may run, and waits where that is nowhere. In threads, which nobody can kill,
the containers are interrupted as `modal container stop` does.
"""

import asyncio
from dataclasses import dataclass

from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.logs import Logs
from modal_emulator.schedule.placing import Placing
from modal_emulator.schedule.worker import Ending, Worker
from modal_emulator.store.regions import REGIONS

__all__ = ["Outages", "RegionState"]


@dataclass(frozen=True, slots=True)
class RegionState:
    """One region, as it stands."""

    name: str
    cloud: str
    within: tuple[str, ...]
    is_up: bool
    containers: int


class Outages:
    """Takes regions down and brings them up."""

    def __init__(
        self,
        placing: Placing,
        dispatcher: Dispatcher,
        logs: Logs,
        journal: Journal,
    ) -> None:
        self._placing = placing
        self._dispatcher = dispatcher
        self._logs = logs
        self._journal = journal

    async def down(self, name: str) -> frozenset[str]:
        """
        Take a region down; returns when its containers are gone, with the regions that are down.

        Raises:
            Invalid: there is no such region.
        """
        names = self._placing.take_down(name)
        self._journal.add("region.down", region=name)
        lost = [w for w in self._dispatcher.workers() if w.place and w.place.region in names]
        await asyncio.gather(*(self._lose(worker) for worker in lost))
        return names

    def up(self, name: str) -> frozenset[str]:
        """
        Bring a region up again; what waited for it begins.

        Raises:
            Invalid: there is no such region.
        """
        names = self._placing.bring_up(name)
        self._journal.add("region.up", region=name)
        self._dispatcher.rescale()
        return names

    def list(self) -> tuple[RegionState, ...]:
        """Return all regions, in the order of the table."""
        there = [w.place.region for w in self._dispatcher.workers() if w.place]
        return tuple(
            RegionState(
                r.name, r.cloud, r.within, not self._placing.is_down(r.name), there.count(r.name)
            )
            for r in REGIONS
        )

    async def _lose(self, worker: Worker) -> None:
        assert worker.place is not None
        function = worker.pool.function
        # Modal's words for this are not known [guess].
        self._logs.add(
            function.app_id,
            f"Container {worker.container_id} was lost: region {worker.place.region} is down.\n",
            container_id=worker.container_id,
            function_id=function.function_id,
        )
        await worker.pool.kill(worker, Ending.REGION_DOWN)
        await worker.gone.wait()

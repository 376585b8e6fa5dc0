"""
A test's hand on regions: which there are, and taking them down.

The handle is used from any thread and does its work on the event loop of the World. What becomes
of containers in a region that goes down is decided in `schedule/outages`.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from modal_emulator.schedule.outages import RegionState
from modal_emulator.world import World

__all__ = ["RegionsHandle"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class RegionsHandle:
    """The regions; a name is that of a narrow one, or of a broad one such as "us-east"."""

    def __init__(self, run: Run, world: Callable[[], World]) -> None:
        self._run = run
        self._world = world

    def list(self) -> tuple[RegionState, ...]:
        """Return all regions, each with whether it is up and how many containers it has."""

        async def read() -> tuple[RegionState, ...]:
            return self._world().outages.list()

        states: tuple[RegionState, ...] = self._run(read())
        return states

    def down(self, name: str) -> None:
        """
        Take a region down; returns when its containers are gone.

        They end without a word, as by a kill; their inputs begin again in another region that
        their function allows, or wait.

        Raises:
            Invalid: there is no such region.
        """
        self._run(self._world().outages.down(name))

    def up(self, name: str) -> None:
        """
        Bring a region up again.

        Raises:
            Invalid: there is no such region.
        """

        async def bring_up() -> None:
            self._world().outages.up(name)

        self._run(bring_up())

    @contextmanager
    def outage(self, name: str) -> Iterator[None]:
        """Let a region be down for the length of a `with` block."""
        self.down(name)
        try:
            yield
        finally:
            self.up(name)

"""The backends of one emulator: each kind of container is made by one, from its first use on."""

import asyncio
from pathlib import Path

from modal_emulator.runtime.backend import Backend
from modal_emulator.runtime.inline.leftover import Leftover
from modal_emulator.runtime.inline.program import Programs
from modal_emulator.runtime.pick import Choice, pick, resolve

__all__ = ["Backends"]


class Backends:
    """Makes and closes them."""

    def __init__(self, programs: Programs | None) -> None:
        self._programs = programs
        self._made: dict[tuple[str, ...], Backend] = {}

    def get(self, choice: Choice, directory: Path) -> Backend:
        """
        Return what makes containers as they are wanted; a new one keeps its files below there.

        Raises:
            Invalid: there is no such runtime, or this process cannot have it.
        """
        runtime = resolve(choice.runtime, threads=self._programs is not None)
        kind = (runtime, choice.isolation, choice.docker_network)
        if kind not in self._made:
            # The first has the same place in each life of a server: it removes what a kill left.
            name = f"containers-{len(self._made)}" if self._made else "containers"
            self._made[kind] = pick(choice, directory / name, self._programs)
        return self._made[kind]

    async def see_off(self) -> None:
        """Return when no thread is on its way out of a container that has ended."""
        for backend in tuple(self._made.values()):
            if (see_off := getattr(backend, "see_off", None)) is not None:
                await see_off()

    def leftovers(self) -> tuple[Leftover, ...]:
        """Return the threads that go on though their container has ended."""
        ask = (getattr(backend, "leftovers", tuple) for backend in self._made.values())
        return tuple(left for each in ask for left in each())

    async def close(self) -> None:
        """Close all of them."""
        await asyncio.gather(*(backend.close() for backend in self._made.values()))
        self._made.clear()

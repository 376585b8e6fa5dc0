"""
Containers as threads of this process.

Two for each container, and those that user code starts: a *keeper*, which makes the container's
place and changes it, and the *main* thread, in which its program runs. No thread can be ended from
outside: one that waits in C goes on after its container was killed, until that call returns. It
then finds its files gone, and `leftovers` names it.
"""

import asyncio
from pathlib import Path

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.backend import Capability, Command, Container, Execution, Plan, View
from modal_emulator.runtime.inline.leftover import Leftover, Remains, alive
from modal_emulator.runtime.inline.pair import Pair
from modal_emulator.runtime.inline.place import Places
from modal_emulator.runtime.inline.program import Programs
from modal_emulator.runtime.inline.redirected import REDIRECTION
from modal_emulator.runtime.inline.surroundings import enter_surroundings, leave_surroundings
from modal_emulator.runtime.inline.usher import Usher
from modal_emulator.runtime.leftovers import remove_tree, sweep

__all__ = ["InlineBackend", "Leftover"]

_NEVER = frozenset(
    {
        Capability.IMAGES,
        Capability.OWN_PORTS,
        Capability.OWN_PROCESSES,
        Capability.PAUSE,
        Capability.WATCHED_CALLS,
    }
)


class InlineBackend:
    """Makes containers out of threads."""

    def __init__(self, directory: Path, places: Places, programs: Programs) -> None:
        """Keep containers below `directory`, where `places` makes their files."""
        self._directory = directory.absolute()
        self._places = places
        self._programs = programs
        self._pairs: set[Pair] = set()
        self._remains = Remains()
        self._usher = Usher()
        self._has_entered = self._watches = False

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers can do here."""
        return self._places.offers - _NEVER | {Capability.EXECUTE}

    @property
    def notice(self) -> str:
        """What user code will miss, in one line."""
        return self._places.notice

    @property
    def by_socket(self) -> bool:
        """Calls of threads do not leave the process."""
        return False

    def sweep(self) -> None:
        """Remove what is left of the containers of a process that was killed; slow."""
        sweep(self._directory / "containers")

    async def start(self, plan: Plan) -> Container:
        """
        Start a container; returns when its main thread is in its place and about to work.

        Raises:
            EmulatorError: it could not be made; nothing of it is left and `on_exit` is not called.
        """
        if not self._has_entered:
            self._has_entered = True
            enter_surroundings()
        if plan.sight is not None and not self._watches:
            self._watches = True
            await asyncio.to_thread(REDIRECTION.take, watches=True)
        place, gone = self._places.place(plan), self._remains.add
        pair = Pair(plan, place, self._programs, self._usher, gone)
        self._pairs.add(pair)
        try:
            await pair.start()
        finally:
            pair.when_rested(lambda: self._pairs.discard(pair))
        return _Threads(pair)

    async def see_off(self) -> None:
        """Return when the threads of containers that have ended are gone, as far as they can be."""
        await asyncio.gather(*(p.left() for p in tuple(self._pairs) if p.has_left))

    def leftovers(self) -> tuple[Leftover, ...]:
        """Return the threads that still run though their container has ended."""
        return self._remains.running()

    async def close(self) -> None:
        """End every container; its threads go on where Python cannot break them off."""
        await asyncio.gather(*(self._end(pair) for pair in tuple(self._pairs)))
        await asyncio.to_thread(self._usher.close)
        if self._watches:
            self._watches = False
            REDIRECTION.give_back(watches=True)
        self._places.close()  # before the surroundings, which were there before
        if self._has_entered:
            self._has_entered = False
            leave_surroundings()
        await asyncio.to_thread(remove_tree, self._directory / "containers")

    async def _end(self, pair: Pair) -> None:
        await pair.kill()
        await pair.rested()


class _Threads:
    """One container, as the floors above hold it."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    @property
    def container_id(self) -> str:
        """The id from the plan."""
        return self._pair.here.container_id

    @property
    def asleep_until(self) -> None:
        """Its sleeps lie on the emulator's clock themselves."""
        return

    @property
    def can_pause(self) -> bool:
        """Never: the process that would stand still is our own."""
        return False

    @property
    def outlives_itself(self) -> bool:
        """A thread that was killed ends later, and then flushes what is in its buffers."""
        return bool(alive(self._pair.here))

    async def detach(self, volume_id: str, *, pausing: bool = False) -> None:
        """Take the volume away, unless something in the container holds it."""
        if pausing:
            raise EmulatorError("containers of threads cannot pause; runtime 'process' can")
        await self._pair.ask(lambda place: place.detach(volume_id))

    async def attach(self, volume_id: str, view: View) -> None:
        """Show the volume again."""
        await self._pair.ask(lambda place: place.attach(volume_id, view))

    async def collect(self, volume_id: str) -> frozenset[int]:
        """Bring what the container wrote into `changes`; its end did so already."""
        if self._pair.has_left:
            return frozenset()
        return await self._pair.ask(lambda place: place.collect(volume_id))

    async def execute(self, command: Command) -> Execution:
        """Run a command beside what runs there."""
        return await self._pair.execute(command)

    async def terminate(self) -> None:
        """Interrupt the program; nothing to do when it has ended."""
        self._pair.terminate()

    async def kill(self) -> None:
        """End the container at once; a thread that waits in C outlives it."""
        await self._pair.kill()

"""
Threads that go on though their container has ended.

Python cannot end a thread. What can be done is to say which one it is and where it stands.
"""

from dataclasses import dataclass
from threading import Thread
from weakref import WeakSet

from modal_emulator.ground.clock import monotonic
from modal_emulator.runtime.inline.here import Here
from modal_emulator.runtime.stacks import frames

__all__ = ["Leftover", "Remains", "alive"]

_LAST_BREATH = 2.0
"""Seconds that threads which were told to end have for that, where the machine is busy."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thread of a container that has ended."""

    container_id: str
    thread: str
    """The thread's name."""
    place: str
    """The line that it stands at, as file:line."""


class Remains:
    """Containers that have ended, as long as a thread of theirs runs."""

    def __init__(self) -> None:
        self._containers: list[Here] = []
        self._waited_for: WeakSet[Thread] = WeakSet()

    def add(self, here: Here) -> None:
        """Watch a container that has ended."""
        self._containers = [each for each in (*self._containers, here) if alive(each)]

    def running(self) -> tuple[Leftover, ...]:
        """Return what goes on; a thread may need a moment to end, which is waited for once."""
        self._wait()
        stands = frames()
        found = []
        for here in self._containers:
            for thread in alive(here):
                frame = stands.get(thread.ident or 0)
                place = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""
                found.append(Leftover(here.container_id, thread.name, place))
        return tuple(found)

    def _wait(self) -> None:
        ends = monotonic() + _LAST_BREATH
        for thread in (each for here in self._containers for each in alive(here)):
            if thread not in self._waited_for:
                self._waited_for.add(thread)
                thread.join(max(0.0, ends - monotonic()))


def alive(here: Here) -> list[Thread]:
    """Return the threads of a container that run."""
    return [thread for thread in tuple(here.threads) if thread.is_alive()]

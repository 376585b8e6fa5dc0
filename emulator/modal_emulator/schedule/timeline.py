"""
One row of instants: what is due next, of all that has due times.

A `Timeline` sleeps once, until the earliest of them, however many lines there are. It knows no
function and no call: when a line is due it says so to whom it was given, and lays down the line's
next instant first. Lines due at one instant come in their order, each in a turn of its own, so a
clock that waits after each sleeper waits between them.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context

from modal_emulator.ground.clock import Clock

__all__ = ["Timeline"]


class Timeline:
    """Keeps lines of due times and sleeps until the next one."""

    def __init__(self, clock: Clock, due: Callable[[str, float], None]) -> None:
        self._clock = clock
        self._due = due
        self._lines: dict[str, _Line] = {}
        self._heap: list[_Line] = []
        self._walk: asyncio.Task[None] | None = None
        self._walking = False

    def put(self, key: str, order: tuple[str, ...], times: Iterator[float]) -> None:
        """Follow these times, in place of those that the key had; `order` decides among equals."""
        self._lines.pop(key, None)
        line = _Line(key, order, times)
        if line.step():
            self._lines[key] = line
            heapq.heappush(self._heap, line)
        self._lie_down()

    def drop(self, keys: Iterable[str]) -> None:
        """Forget these lines, where they are there."""
        for key in keys:
            self._lines.pop(key, None)
        self._lie_down()

    def next(self, key: str) -> float | None:
        """Return when a line is due next."""
        line = self._lines.get(key)
        return None if line is None else line.due

    def keys(self) -> list[str]:
        """Return all lines, the one that is due first at the front."""
        return [line.key for line in sorted(self._lines.values())]

    def start(self) -> None:
        """Begin to say what is due; needs a running event loop."""
        self._walking = True
        self._lie_down()

    def close(self) -> None:
        """Say nothing any more."""
        self._walking = False
        self._lie_down()

    def _lie_down(self) -> None:
        """Sleep until what is first by now."""
        if self._walk is not None:
            self._walk.cancel()
            self._walk = None
        if self._walking and self._head() is not None:
            # What is fired belongs to nobody's container, whoever put the line.
            self._walk = Context().run(asyncio.ensure_future, self._go())

    async def _go(self) -> None:
        while (line := self._head()) is not None:
            await self._clock.sleep_until(line.due)
            due = line.due
            if line.step():
                heapq.heapreplace(self._heap, line)
            else:
                heapq.heappop(self._heap)
                del self._lines[line.key]
            self._due(line.key, due)

    def _head(self) -> "_Line | None":
        while self._heap and self._lines.get(self._heap[0].key) is not self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None


class _Line:
    """The due times of one key, and where it stands in them."""

    __slots__ = ("due", "key", "order", "times")

    def __init__(self, key: str, order: tuple[str, ...], times: Iterator[float]) -> None:
        self.key = key
        self.order = order
        self.times = times
        self.due = 0.0

    def __lt__(self, other: "_Line") -> bool:
        return (self.due, self.order) < (other.due, other.order)

    def step(self) -> bool:
        """Go on to the next instant; say whether there is one."""
        for due in self.times:
            self.due = due
            return True
        return False

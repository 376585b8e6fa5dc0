"""
One row of instants: what is due next, of all that has due times.

A `Timeline` has one timer, for the earliest of them, however many lines there are. It knows no
function and no call: when a line is due it says so to whom it was given, and goes on to the line's
next instant first. Lines due at one instant come in their order, each by a timer of its own, so a
clock that waits after each of its waiters waits between them.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context

from modal_emulator.ground.clock import Timer
from modal_emulator.ground.virtual import VirtualClock

__all__ = ["Timeline"]


class Timeline:
    """Keeps lines of due times and waits for the next one."""

    def __init__(self, clock: VirtualClock, due: Callable[[str, float], None]) -> None:
        self._clock = clock
        self._due = due
        self._lines: dict[str, _Line] = {}
        self._heap: list[tuple[float, tuple[str, ...], int, _Line]] = []
        self._count = 0
        self._timer: Timer | None = None
        self._walking = False

    def put(self, key: str, order: tuple[str, ...], times: Iterator[float]) -> None:
        """Follow these times, in place of those that the key had; `order` decides among equals."""
        self._lines.pop(key, None)
        self._count += 1
        line = _Line(key, order, self._count, times)
        if line.step():
            self._lines[key] = line
            heapq.heappush(self._heap, line.place)
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
        return [line.key for line in sorted(self._lines.values(), key=lambda line: line.place[:3])]

    def start(self) -> None:
        """Begin to say what is due."""
        self._walking = True
        self._lie_down()

    def close(self) -> None:
        """Say nothing any more."""
        self._walking = False
        self._lie_down()

    def _lie_down(self) -> None:
        """Wait for what is first by now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        line = self._first() if self._walking else None
        if line is not None:
            # What is fired belongs to nobody's container, whoever moves the clock.
            self._timer = self._clock.at(line.due, lambda: Context().run(self._say))

    def _say(self) -> None:
        line = self._first()
        assert line is not None  # a timer stands for the first line, and falls with it
        due = line.due
        if line.step():
            heapq.heapreplace(self._heap, line.place)
        else:
            del self._lines[line.key]
        self._lie_down()
        self._due(line.key, due)

    def _first(self) -> "_Line | None":
        heap = self._heap
        while heap:
            line = heap[0][3]
            if self._lines.get(line.key) is line:
                return line
            heapq.heappop(heap)
        return None


class _Line:
    """The due times of one key, and where it stands in them."""

    __slots__ = ("_times", "due", "key", "number", "order")

    def __init__(
        self, key: str, order: tuple[str, ...], number: int, times: Iterator[float]
    ) -> None:
        self.key = key
        self.order = order
        self.number = number
        self.due = 0.0
        self._times = times

    @property
    def place(self) -> tuple[float, tuple[str, ...], int, "_Line"]:
        """Where it belongs among others, in a form that is quick to compare."""
        return self.due, self.order, self.number, self

    def step(self) -> bool:
        """Go on to the next instant; say whether there is one."""
        for due in self._times:
            self.due = due
            return True
        return False

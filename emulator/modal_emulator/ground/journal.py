"""
What happened, in order: the one record that reports and findings read.

An event is a word, an instant and plain values. The journal never holds secret values: what user
code can choose, such as a path, is masked before it is kept. It forgets the oldest events beyond
its bound.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from modal_emulator.ground.clock import Clock

__all__ = ["Event", "Journal", "Value"]

Value = str | int | float | bool | None

_OURS = frozenset(
    {
        *("app_id", "call_id", "container_id", "function_id", "image_id", "input_id", "object_id"),
        *("sandbox_id", "secret_id", "volume_id", "cloud", "function", "region", "status", "step"),
        *("subject", "via", "where", "why"),
    }
)
"""The values that user code cannot fill as it likes."""


class Event(NamedTuple):  # a tuple is made in half the time, and each step makes one
    """One thing that happened at one instant."""

    at: float
    kind: str
    values: Mapping[str, Value] = MappingProxyType({})


Listener = Callable[[Event], None]


class Journal:
    """Keeps the newest events and tells each to whoever listens."""

    def __init__(self, clock: Clock, bound: int = 100_000) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=bound)
        self._listeners: list[tuple[Listener, tuple[str, ...]]] = []
        self._hearing: dict[str, tuple[Listener, ...]] = {}
        """By the kind of event, as far as one was there since listeners came or went."""
        self._mask: Callable[[str], str] = str

    def add(self, kind: str, **values: Value) -> None:
        """Record that `kind` happened now."""
        self.keep(kind, values, values.keys() - _OURS)

    def keep(self, kind: str, values: dict[str, Value], free: Iterable[str]) -> None:
        """Record as `add` does; user code can fill the values that `free` names, and no others."""
        for name in free:
            value = values[name]
            if value and value.__class__ is str:
                values[name] = self._mask(value)
        event = Event(self._clock.now(), kind, MappingProxyType(values))
        self._events.append(event)
        hearing = self._hearing.get(kind)
        if hearing is None:
            every = self._listeners
            hearing = tuple(one for one, kinds in every if not kinds or kind in kinds)
            self._hearing[kind] = hearing
        for listener in hearing:
            listener(event)

    def mask_with(self, mask: Callable[[str], str]) -> None:
        """Let `mask` take out of each text what nobody is to see."""
        self._mask = mask

    def events(self, kind: str = "") -> tuple[Event, ...]:
        """Return the events of this kind, or all, oldest first."""
        return tuple(e for e in self._events if not kind or e.kind == kind)

    def listen(self, listener: Listener, *kinds: str) -> Callable[[], None]:
        """Call `listener` for each later event, or those of some kinds; the answer ends that."""
        entry = (listener, kinds)
        self._listeners.append(entry)
        self._hearing = {}

        def forget() -> None:
            self._listeners.remove(entry)
            self._hearing = {}

        return forget

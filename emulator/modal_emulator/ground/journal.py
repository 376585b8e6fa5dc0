"""
What happened, in order: the one record that reports and findings read.

An event is a word, an instant and plain values. The journal never holds secret values: what user
code can choose, such as a path, is masked before it is kept. It forgets the oldest events beyond
its bound.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from modal_emulator.ground.clock import Clock

__all__ = ["Event", "Journal"]

Value = str | int | float | bool | None

_OURS = frozenset(
    {
        *("app_id", "call_id", "container_id", "function_id", "image_id", "input_id", "object_id"),
        *("sandbox_id", "secret_id", "volume_id", "cloud", "function", "region", "status", "step"),
        *("subject", "via", "where", "why"),
    }
)
"""The values that user code cannot fill as it likes."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at one instant."""

    at: float
    kind: str
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))


class Journal:
    """Keeps the newest events and tells each to whoever listens."""

    def __init__(self, clock: Clock, bound: int = 100_000) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=bound)
        self._listeners: list[Callable[[Event], None]] = []
        self._mask: Callable[[str], str] = str

    def add(self, kind: str, **values: Value) -> None:
        """Record that `kind` happened now."""
        for name, value in values.items():
            if value and value.__class__ is str and name not in _OURS:
                values[name] = self._mask(value)
        event = Event(self._clock.now(), kind, MappingProxyType(values))
        self._events.append(event)
        for listener in tuple(self._listeners):
            listener(event)

    def mask_with(self, mask: Callable[[str], str]) -> None:
        """Let `mask` take out of each text what nobody is to see."""
        self._mask = mask

    def events(self, kind: str = "") -> tuple[Event, ...]:
        """Return the events of this kind, or all, oldest first."""
        return tuple(e for e in self._events if not kind or e.kind == kind)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` for each later event; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

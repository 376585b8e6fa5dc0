"""
Which entry of a story certainly came before which: the relation happens-before.

An entry comes after all earlier ones of its lane, after those that it followed from, and, when it
shows a version of a volume, after whatever made that version or an older one; and after what
these came after. Two entries of which neither came before the other are concurrent: in another run
they may have happened in the other order. What is not known to be so is not claimed.

These are vector clocks: each entry knows, of each lane, the newest entry that came before it.
"""

from collections import defaultdict
from collections.abc import Iterable

from immutables import Map

from modal_emulator.findings.entries import Beside, Entry, Story
from modal_emulator.ground.steps import Kind

__all__ = ["SHOWING", "Causes"]

Clock = Map[str, int]

SHOWING = frozenset({Beside.MOUNT.value, Kind.RELOAD.value})
"""Entries that let a container see another version."""


class Causes:
    """Knows of a story what came before what."""

    def __init__(self, story: Story) -> None:
        self._entries = story.entries
        self._clocks: list[Clock] = []
        self._versions: dict[str, list[tuple[int, Clock]]] = defaultdict(list)
        """Of each volume, what whoever sees so many versions comes after."""
        self._learn()

    def before(self, first: int, second: int) -> bool:
        """Say whether one entry certainly came before another."""
        lane = self._entries[first].lane
        if lane == self._entries[second].lane:
            return first < second
        return self._clocks[second].get(lane, -1) >= first

    def _learn(self) -> None:
        current: dict[str, Clock] = {}
        for entry in self._entries:
            clock: Clock = current.get(entry.lane, Map())
            clock = _joined(clock, (self._of(cause) for cause in entry.after))
            if entry.kind in SHOWING and not entry.error:
                clock = _joined(clock, [self._seen(entry)])
            current[entry.lane] = clock
            self._clocks.append(clock)
            if entry.made:
                self._made(entry)

    def _of(self, number: int) -> Clock:
        """Return what came before an entry, and it."""
        return self._clocks[number].set(self._entries[number].lane, number)

    def _made(self, entry: Entry) -> None:
        line = self._versions[entry.object_id]
        below: Clock = line[-1][1] if line else Map()
        line.append((entry.made, _joined(below, [self._of(entry.number)])))

    def _seen(self, entry: Entry) -> Clock:
        for number, known in reversed(self._versions[entry.object_id]):
            if number <= entry.version:
                return known
        return Map()


def _joined(clock: Clock, others: Iterable[Clock]) -> Clock:
    """Return the newest that any of them knows of each lane."""
    for other in others:
        if other is clock:
            continue
        news = {lane: n for lane, n in other.items() if n > clock.get(lane, -1)}
        clock = clock.update(news) if news else clock
    return clock

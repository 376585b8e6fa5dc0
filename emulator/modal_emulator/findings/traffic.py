"""
Knows what goes between lanes, so as to say what followed from what.

An input follows from the call that queued it, a result from the outputs that it brings, taking
from a queue from the put of what is taken, and seeing a key of a Dict, or that it is not there,
from whoever made it so. So does a `put` that succeeds because somebody took the key away: that is
how a lock is handed over. Who writes a key without looking learns nothing by it. It works on
numbers of entries, in the order of the story.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from modal_emulator.findings.entries import Entry
from modal_emulator.ground.steps import Kind

__all__ = ["Place", "Traffic"]

Place = tuple[str, str]
"""A Queue and its partition, or a Dict and a key; the empty key is all of it."""

_BETWEEN_KEYS = re.compile(r", (?=b['\"])")


@dataclass(slots=True)
class Traffic:
    """What is on its way, or was left somewhere."""

    calls: dict[str, int] = field(default_factory=dict)
    """By the call's id, the entry that made it."""
    _inputs: dict[str, int] = field(default_factory=dict)
    _outputs: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _brought: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many outputs of a call a lane has been given."""
    _queued: dict[Place, deque[tuple[int, int]]] = field(default_factory=lambda: defaultdict(deque))
    """The puts of what is in a queue, each with how many are left of it."""
    _keys: dict[str, dict[str, "_Key"]] = field(default_factory=lambda: defaultdict(dict))
    """Of each Dict, who made its keys what they are."""

    def queued(self, call_id: str, input_id: str, number: int) -> None:
        """An entry made a call, or gave it one more input."""
        self.calls.setdefault(call_id, number)
        self._inputs[input_id] = number

    def taken(self, input_id: str) -> tuple[int, ...]:
        """Return what taking an input follows from."""
        number = self._inputs.get(input_id)
        return () if number is None else (number,)

    def finished(self, call_id: str, number: int) -> None:
        """An entry gave an output of a call."""
        self._outputs[call_id].append(number)

    def put(self, place: Place, number: int, count: int) -> None:
        """An entry put so many into a queue."""
        if count:
            self._queued[place].append((number, count))

    def got(self, place: Place, count: int) -> tuple[int, ...]:
        """Return what taking so many from a queue follows from."""
        line, causes = self._queued[place], []
        while count > 0 and line:
            number, there = line.popleft()
            causes.append(number)
            if there > count:
                line.appendleft((number, there - count))
            count -= there
        return tuple(causes)

    def set(self, place: Place, number: int, *, if_absent: bool, done: bool) -> Iterable[int]:
        """An entry set keys, or left one that was there; return what it followed from."""
        keys = self._keys[place[0]]
        names = _BETWEEN_KEYS.split(place[1])
        # A key that was there and did not hinder had expired: nobody took it away.
        seen = [k.entry for n in names if if_absent and (k := keys.get(n)) and k.there is not done]
        if done:
            keys.update(dict.fromkeys(names, _Key(number, there=True)))
        return seen

    def popped(self, place: Place, number: int, *, done: bool) -> Iterable[int]:
        """An entry took a key away, or found none; return what it followed from."""
        object_id, name = place
        known = self._keys[object_id].get(name)
        if done:
            self._keys[object_id][name] = _Key(number, there=False)
        return (known.entry,) if known is not None and known.there is done else ()

    def step(self, number: int, entry: Entry) -> Iterable[int]:
        """Return what any other step follows from, and note what it leaves."""
        follow = FOLLOWING.get(entry.kind)
        return follow(self, number, entry) if follow is not None and not entry.error else ()

    def _result(self, number: int, entry: Entry) -> Iterable[int]:
        outputs = self._outputs.get(entry.object_id, [])
        seen = self._brought.get((entry.lane, entry.object_id), 0)
        self._brought[entry.lane, entry.object_id] = len(outputs)
        return outputs[seen:]

    def _look(self, number: int, entry: Entry) -> Iterable[int]:
        return {put for put, _ in self._queued.get((entry.object_id, entry.path), ())}

    def _read(self, number: int, entry: Entry) -> Iterable[int]:
        keys = self._keys.get(entry.object_id, {})
        if not entry.path:
            return {key.entry for key in keys.values() if key.there}
        return {keys[name].entry for name in (entry.path,) if name in keys}

    def _empty(self, number: int, entry: Entry) -> Iterable[int]:
        keys = self._keys[entry.object_id]
        keys.update(dict.fromkeys(keys, _Key(number, there=False)))
        return ()

    def _clear(self, number: int, entry: Entry) -> Iterable[int]:
        for place in tuple(self._queued):
            if place[0] == entry.object_id and entry.path in ("", place[1]):
                del self._queued[place]
        return ()


@dataclass(frozen=True, slots=True)
class _Key:
    entry: int
    """Who wrote it, or took it away."""
    there: bool


FOLLOWING: dict[str, Callable[[Traffic, int, Entry], Iterable[int]]] = {
    Kind.RESULT.value: Traffic._result,
    Kind.QUEUE_READ.value: Traffic._look,
    Kind.QUEUE_GET.value: Traffic._clear,
    Kind.DICT_READ.value: Traffic._read,
    Kind.DICT_WRITE.value: Traffic._empty,
}
"""
What the others do does not depend on what came from elsewhere. Of what is written to a Dict and
taken from it, and of what goes through Queues, the journal tells more than steps do.
"""

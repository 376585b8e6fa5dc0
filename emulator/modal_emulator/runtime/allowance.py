"""
How many names may still be made in a volume.

Each new name is counted down; only when nothing is left are the names counted anew, so that
removing makes room again. Counting goes directory by directory, so that nobody has to wait for
the whole of it and nothing is held open between two steps.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from modal_emulator.runtime.backend import Bound
from modal_emulator.runtime.callers import Place

__all__ = ["Allowance"]

_WHOLE = 0  # stands for all directories


@dataclass(slots=True)
class _Count:
    """A count under way; `unmade` are names that were let and were not there yet when it began."""

    rest: list[str]
    unmade: tuple[str, ...]
    names: int = 0


class Answer(Protocol):
    """Takes what was found."""

    def __call__(self, *, has_room: bool) -> None:
        """Say whether the name may be made."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    place: Place
    thread: int
    answer: Answer


@dataclass(slots=True)
class Allowance:
    """Names that may be made in one volume, or in each of its directories."""

    bound: Bound
    top: str
    """Where the whole volume is seen."""
    is_making: Callable[[int], bool]
    """Tells whether a thread may still be at the call that it was let make."""
    _left: dict[int, int] = field(default_factory=dict)
    _let: dict[int, tuple[int, str]] = field(default_factory=dict)
    _asked: dict[int, list[_Asked]] = field(default_factory=dict)
    _counts: dict[int, _Count] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with what the server knows."""
        if not self.bound.per_directory:
            self._left[_WHOLE] = self.bound.left

    @property
    def is_counting(self) -> bool:
        """Tell whether `step` has something to do."""
        return bool(self._counts)

    def returned(self, thread: int) -> None:
        """The thread makes another call, so the one that it was let make is over."""
        self._let.pop(thread, None)

    def ask(self, place: Place, thread: int, answer: Answer) -> None:
        """Call `answer`, now or after some steps, with whether the name may be made."""
        key = place.directory if self.bound.per_directory else _WHOLE
        asked = _Asked(place, thread, answer)
        if self._left.get(key, 0) > 0 and key not in self._counts:
            self._grant(key, asked)
            return
        self._asked.setdefault(key, []).append(asked)
        if key not in self._counts:
            self._begin(key, place)

    def step(self) -> None:
        """Count one more directory."""
        key, count = next(iter(self._counts.items()))
        if count.rest:
            directory = count.rest.pop()
            try:
                with os.scandir(directory) as entries:
                    for entry in entries:
                        count.names += 1
                        if not self.bound.per_directory and entry.is_dir(follow_symlinks=False):
                            count.rest.append(entry.path)
            except OSError:
                pass  # it was removed meanwhile, with what was in it
            return
        del self._counts[key]
        self._left[key] = self.bound.most - count.names - len(count.unmade)
        if self._left[key] <= 0 and any(map(os.path.lexists, count.unmade)):
            # They may have been counted twice.
            self._begin(key, self._asked[key][0].place)
            return
        for asked in self._asked.pop(key):
            if self._left[key] > 0:
                self._grant(key, asked)
            else:
                asked.answer(has_room=False)

    def forsake(self) -> None:
        """Let everybody go who waits: the volume is not what it was."""
        for each in self._asked.values():
            for asked in each:
                asked.answer(has_room=True)

    def _grant(self, key: int, asked: _Asked) -> None:
        self._left[key] -= 1
        self._let[asked.thread] = (key, asked.place.path)
        asked.answer(has_room=True)

    def _begin(self, key: int, place: Place) -> None:
        top = os.path.dirname(place.path) if self.bound.per_directory else self.top  # noqa: PTH120
        unmade = tuple(
            path
            for thread, (where, path) in self._let.items()
            if where == key and not os.path.lexists(path) and self.is_making(thread)
        )
        over = [t for t, (where, path) in self._let.items() if where == key and path not in unmade]
        for thread in over:
            del self._let[thread]
        self._counts[key] = _Count([top], unmade)

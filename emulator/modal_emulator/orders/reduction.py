"""
Every order that matters, by depth-first search with dynamic partial-order reduction.

Two orders that differ in independent steps only show the same, so one of them is enough. Which
other orders are wanted is learned from the runs: wherever a step could have come before one that it
depends on, what such an order can begin with is wanted there, too (Flanagan and Godefroid, "Dynamic
partial-order reduction for model checking software", 2005; what is wanted are the source sets of
Abdulla, Aronis, Jonsson and Sagonas, "Optimal dynamic partial order reduction", 2014). Sleep sets
keep what was tried from being tried once more behind a step that it does not depend on.

Two things are added. An actor may have several options at a point, of which each is tried. And
optional options, which never have to be taken, are wanted wherever they are not asleep, before
anything else, so that "not here" means "not until something happens that they depend on". As that
puts faults first, all orders without any are tried before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from modal_emulator.orders.options import (
    Chooser,
    Cut,
    NotDeterministic,
    Option,
    arranged,
    dependent,
)
from modal_emulator.orders.walks import Run

__all__ = ["Exhaustive"]

Clock = dict[str, int]
"""For each actor, the number of its last step that happened before: a vector clock."""


class Point:
    """One point of the run that the search is at, and what is left to try from there."""

    def __init__(self, options: Sequence[Option], sleep: frozenset[Option]) -> None:
        self.options = tuple(options)
        self.known = frozenset(options)
        self.sleep = sleep
        """What leads to runs that there were already."""
        self.wanted: list[Option] = []
        self.tried: list[Option] = []
        self.chosen: Option
        self.clock: Clock = {}
        """What happened before the chosen step."""

    @property
    def left(self) -> list[Option]:
        """What is wanted and was not tried."""
        return [one for one in self.wanted if one not in self.tried and one not in self.sleep]

    def of(self, actor: str) -> list[Option]:
        """Return the options of this actor."""
        return [one for one in self.options if one.actor == actor]

    def want(self, options: Iterable[Option]) -> None:
        """Try these from here, too."""
        self.wanted.extend(one for one in options if one not in self.wanted)

    def sleep_after(self) -> frozenset[Option]:
        """Return what stays asleep behind the chosen step."""
        asleep = self.sleep.union(self.tried)
        return frozenset(one for one in asleep if not dependent(one, self.chosen))


class Exhaustive:
    """Tries every order that matters; first those without optional steps."""

    def __init__(self) -> None:
        self._search = Search(optional=False)
        self.exhausted = False

    @property
    def chance(self) -> float | None:
        """One when all was tried, since nothing else is there to be found."""
        return 1.0 if self.exhausted else None

    @property
    def progress(self) -> float:
        """
        Return a guess of how much of the search is done, from 0 to 1.

        It is too high as a rule, since what is wanted is learned on the way.
        """
        return 0.0 if self._search.skipped else self._search.progress

    def begin(self) -> Chooser | None:
        """Return who chooses in the next run."""
        if not self.exhausted and not self._search.advance():
            self._search = Search(optional=True)
            self._search.advance()
        return None if self.exhausted else self._search

    def end(self, run: Run) -> None:
        """Learn from the run which others are wanted."""
        self._search.finish(run)
        self.exhausted = not self._search.unfinished and not self._search.skipped


class Search:
    """One depth-first search, with or without optional steps."""

    def __init__(self, *, optional: bool) -> None:
        self._optional = optional
        self.skipped = False
        """Whether there were optional steps that this search left out."""
        self._points: list[Point] = []
        self._depth = 0
        self._last: dict[str, int] = {}
        self._began = False

    @property
    def unfinished(self) -> bool:
        """Say whether anything is left to try."""
        return any(one != point.chosen for point in self._points for one in point.left)

    @property
    def progress(self) -> float:
        """Return a guess of how much was tried."""
        done, weight = 0.0, 1.0
        for point in self._points:
            weight /= len(point.tried) + len(point.left)
            done += weight * len(point.tried)
        return done + weight

    def advance(self) -> bool:
        """Go to the next run; False when there is none."""
        self._depth = 0
        self._last = {}
        if not self._began:
            self._began = True
            return True
        while self._points:
            point = self._points[-1]
            point.tried.append(point.chosen)
            if left := point.left:
                point.chosen = left[0]
                return True
            self._points.pop()
        return False

    def choose(self, options: Sequence[Option], current: str | None) -> int:
        """Return the way that this run goes."""
        widened = _widened(options)
        offered = self._offered(widened)
        if self._depth == len(self._points):
            self._points.append(self._reach(offered, current))
        point = self._points[self._depth]
        if point.known != frozenset(offered):
            raise NotDeterministic(self._depth, point.options, offered)
        if self._depth == len(self._points) - 1:
            self._race([point.chosen], point)
            point.clock = self._clock(point.chosen)
        self._last[point.chosen.actor] = self._depth
        self._depth += 1
        return widened.index(point.chosen)

    def finish(self, run: Run) -> None:
        """Take note that the run is over."""
        if self._depth < len(self._points):
            raise NotDeterministic(self._depth, self._points[self._depth].options, ())
        if self._points and not run.cut:
            self._race(self._points[-1].options)

    def _offered(self, options: list[Option]) -> list[Option]:
        if self._optional:
            return options
        needed = [one for one in options if not one.optional]
        self.skipped = self.skipped or len(needed) < len(options)
        return needed or options

    def _reach(self, options: Sequence[Option], current: str | None) -> Point:
        """Return the point that no run was at before, and learn from what can happen there."""
        before = self._points[-1] if self._points else None
        point = Point(options, before.sleep_after() if before else frozenset())
        if before is not None:
            self._lose(before, point)
        order = [options[index] for index in arranged(options, current)]
        awake = [one for one in order if one not in point.sleep]
        if not awake:
            self._race(point.options, point)
            raise Cut
        if self._optional:
            point.want(one for one in awake if one.optional)
        needed = [one for one in awake if one not in point.wanted]
        point.want(one for one in needed if one.actor == needed[0].actor)
        point.chosen = point.left[0]
        return point

    def _lose(self, before: Point, point: Point) -> None:
        """Want what a step made impossible, before that step."""
        for option in before.known - point.known:
            if option.actor != before.chosen.actor:
                before.want(before.of(option.actor))

    def _race(self, options: Iterable[Option], now: Point | None = None) -> None:
        """Want orders in which these come before steps that they depend on."""
        for option in options:
            last = self._last.get(option.actor)
            needed = {} if last is None else self._points[last].clock
            for number in range(self._depth):
                step = self._points[number].chosen
                if option.actor == step.actor or not dependent(option, step):
                    continue
                if needed.get(step.actor, -1) < number:
                    self._reverse(number, option, now)

    def _reverse(self, number: int, option: Option, now: Point | None) -> None:
        """Want an order in which the option comes before the step of this number."""
        point = self._points[number]
        after = self._points[number + 1] if number + 1 < len(self._points) else now
        if after is not None and option in after.known and not point.of(option.actor):
            return  # that step made it possible
        ways = self._ways(number, option)
        if not ways:
            point.want(point.options)
        elif not any(one in point.wanted or one in point.sleep for one in ways):
            point.want(point.of(ways[0].actor))

    def _ways(self, number: int, option: Option) -> list[Option]:
        """
        Return what an order can begin with at this point that has the option before its step.

        These are the initials of all that came after the step without needing it, and the option.
        """
        point = self._points[number]
        actor = point.chosen.actor
        free = [
            later.chosen
            for later in self._points[number + 1 : self._depth]
            if later.clock.get(actor, -1) < number
        ]
        free.append(option)
        return [
            one
            for place, one in enumerate(free)
            if one in point.known and not any(dependent(one, other) for other in free[:place])
        ]

    def _clock(self, option: Option) -> Clock:
        clock: Clock = {option.actor: self._depth}
        for earlier in self._points[: self._depth]:
            if dependent(earlier.chosen, option):
                for actor, number in earlier.clock.items():
                    if clock.get(actor, -1) < number:
                        clock[actor] = number
        return clock


def _widened(options: Sequence[Option]) -> list[Option]:
    """
    Return the options with what any other of the same actor touches.

    One that is taken ends the others, so what comes before or after it is before or after them.
    For what is optional this does not matter: it is tried wherever it can be.
    """
    rows: dict[str, list[Option]] = {}
    for one in options:
        rows.setdefault(one.actor, []).append(one)
    return [
        one
        if len(row := rows[one.actor]) == 1 or all(other.optional for other in row)
        else replace(
            one,
            reads=frozenset().union(*(other.reads for other in row)),
            writes=frozenset().union(*(other.writes for other in row)),
        )
        for one in options
    ]

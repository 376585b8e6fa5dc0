"""
Orders by priorities: probabilistic concurrency testing, with a chance that can be stated.

Each actor has a priority that is drawn; the highest that can go on does so, and at d - 1 drawn
steps whoever would go on falls behind all others. A bug that shows whenever d steps come in a
certain order is hit by such a run with a chance of at least 1 / (n * k^(d-1)), for n actors and
k steps (Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized scheduler with probabilistic
guarantees of finding bugs", 2010).

How many actors and steps there are is measured by the runs; one that was longer than was known when
it was drawn counts for nothing. Where an actor has several options, one is drawn, and the
chance is that of a bug that shows whichever way these draws fall.
"""

from collections.abc import Sequence

from modal_emulator.ground.chance import Chance
from modal_emulator.orders.options import Chooser, Option, arranged
from modal_emulator.orders.reduction import Exhaustive
from modal_emulator.orders.walks import Quiet, Run

__all__ = ["Auto", "Priorities"]

_HIGH = 1 << 40
_ENOUGH = 16  # runs after which it is asked how far an exhaustive search will go


class Priorities:
    """Draws orders in which bugs of depth `depth` have a stated chance; the first run is quiet."""

    exhausted = False

    def __init__(self, chance: Chance, depth: int = 3) -> None:
        if depth < 1:
            raise ValueError(f"a bug has a depth of at least 1, not {depth}")
        self.depth = depth
        self._chance = chance
        self._actors = 0
        self._steps = 0
        self._drawn_for = 0
        self._missed = 1.0

    @property
    def chance(self) -> float | None:
        """The chance that one of the runs so far hit a bug of this depth, if there is one."""
        return 1.0 - self._missed

    def begin(self) -> Chooser:
        """Return one that goes by priorities."""
        if not self._steps:
            return Quiet()
        self._drawn_for = self._steps
        falls = [self._chance.below(self._steps) for _ in range(self.depth - 1)]
        return ByPriority(self._chance, falls)

    def end(self, run: Run) -> None:
        """Count what this run could hit, and measure it."""
        self.learn(run)
        if self._drawn_for >= len(run.steps):
            self._missed *= 1.0 - 1 / (self._actors * self._drawn_for ** (self.depth - 1))

    def learn(self, run: Run) -> None:
        """Measure a run that somebody else chose."""
        actors = {(step.actor, step.optional) for step in run.steps}
        self._actors = max(self._actors, len(actors))
        self._steps = max(self._steps, len(run.steps), 1)


class ByPriority:
    """Lets the highest go on, and some fall behind at drawn steps."""

    def __init__(self, chance: Chance, falls: Sequence[int]) -> None:
        self._chance = chance
        self._falls = falls
        self._heights: dict[tuple[str, bool], int] = {}
        self._step = 0

    def choose(self, options: Sequence[Option], current: str | None) -> int:
        """Return the option of the highest."""
        order = arranged(options, current)
        for index in order:
            # An actor's faults are somebody else's work, who may never be the highest.
            who = (options[index].actor, options[index].optional)
            if who not in self._heights:
                self._heights[who] = _HIGH + self._chance.below(_HIGH)
        for place, step in enumerate(self._falls):
            if step == self._step:
                self._heights[self._highest(options)] = place - len(self._falls)
        self._step += 1
        who = self._highest(options)
        ways = [i for i in order if (options[i].actor, options[i].optional) == who]
        return self._chance.one_of(ways)

    def _highest(self, options: Sequence[Option]) -> tuple[str, bool]:
        able = {(option.actor, option.optional) for option in options}
        return max(able, key=lambda who: (self._heights[who], who))


class Auto:
    """
    Tries every order while that seems to end within the budget, else goes by priorities.

    The exhaustive search has a quarter of the budget for certain; after that it goes on only if
    what is left of it seems to fit.
    """

    def __init__(self, chance: Chance, depth: int, schedules: int) -> None:
        self.depth = depth
        self._schedules = schedules
        self._all = Exhaustive()
        self._some = Priorities(chance, depth)
        self._runs = 0
        self.gave_up = False
        """The exhaustive search was too long."""

    @property
    def exhausted(self) -> bool:
        """Say whether every order that matters was tried."""
        return self._all.exhausted

    @property
    def chance(self) -> float | None:
        """As for the one that is at it."""
        return self._some.chance if self.gave_up else self._all.chance

    def begin(self) -> Chooser | None:
        """Return who chooses in the next run."""
        if not self.gave_up and not self.exhausted and self._too_long():
            self.gave_up = True
        return self._some.begin() if self.gave_up else self._all.begin()

    def end(self, run: Run) -> None:
        """Learn from the run."""
        self._runs += 1
        if self.gave_up:
            self._some.end(run)
            return
        self._all.end(run)
        if not run.cut:
            self._some.learn(run)

    def _too_long(self) -> bool:
        if self._runs < max(self._schedules // 4, min(_ENOUGH, self._schedules)):
            return False
        return self._runs > self._schedules * self._all.progress

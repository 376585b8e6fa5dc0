"""
Roles: what a test knows of one input that it stages, and where it is to stop.

Values and a little bookkeeping; which step is whose, and who is let go when, is in `staging`.
"""

import asyncio
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.schedule.calls import Input, State
from modal_emulator.schedule.pulse import Pulse

__all__ = ["FIRST", "Goal", "Held", "Role", "show_step"]


@dataclass(frozen=True, slots=True)
class Goal:
    """The step at which a role is to stop."""

    kind: Kind | None = None
    """None is any."""
    moment: Moment = Moment.BEFORE
    path: str | None = None
    """A pattern as for `fnmatch`; a rename fits by either name."""
    of: frozenset[str] | None = None
    """Names or ids of the volume, Dict, Queue or function."""
    nth: int = 1

    def fits(self, step: Step, moment: Moment, name: str) -> bool:
        """Say whether this is such a step; `name` is that of the step's object."""
        if moment is not self.moment or self.kind not in (None, step.kind):
            return False
        if self.of is not None and self.of.isdisjoint((step.object_id, name)):
            return False
        paths = filter(None, (step.path, step.to)) if step.to else (step.path,)
        return self.path is None or any(fnmatchcase(path, self.path) for path in paths)

    def __str__(self) -> str:
        """Return it in a few words."""
        words = [self.moment.value, "any step" if self.kind is None else self.kind.value]
        words += [] if self.path is None else [repr(self.path)]
        words += [] if self.of is None else [f"of {' or '.join(sorted(self.of))}"]
        return " ".join(words) + (f", {self.nth} times" if self.nth > 1 else "")


FIRST = Goal()


class Held(NamedTuple):
    """A step that goes no further, until `freed` is done."""

    step: Step
    moment: Moment
    freed: "asyncio.Future[bool]"
    """True lets it pass whatever the goal, False has it look at the new goal."""


@dataclass(eq=False)
class Role:
    """One input that a test moves by hand."""

    name: str
    input: Input | None = None
    """None until somebody comes who plays it."""
    goal: Goal | None = FIRST
    """None once it is reached: whatever else is done then, in other threads, is held."""
    left: int = 1
    """How many steps that fit the goal are still to come."""
    free: bool = False
    """Nothing of it is held."""
    moved: bool = False
    """The test has moved it since it came."""
    held: list[Held] = field(default_factory=list)
    container_id: str = ""
    """Where it runs, ran last, or will run once that has started."""
    spared: str = ""
    """A container that is being taken away: nothing of it is held."""
    begun: bool = False
    """Its container was given it, and went on."""
    pulse: Pulse = field(default_factory=Pulse)
    """Beats whenever any of this changes."""

    @property
    def is_over(self) -> bool:
        """Say whether it has its outcome."""
        return self.input is not None and self.input.state is State.FINISHED

    def aim(self, goal: Goal | None) -> None:
        """Stop there next."""
        self.goal, self.left = goal, 1 if goal is None else goal.nth
        self.free, self.moved = False, True

    def meets(self, step: Step, moment: Moment, name: str) -> bool:
        """Say whether it stops here; a step that fits is counted."""
        if self.free or step.container_id == self.spared:
            return False
        if self.goal is None:
            return moment is Moment.BEFORE
        if not self.goal.fits(step, moment, name):
            return False
        self.left -= 1
        return self.left <= 0

    def break_off(self, error: Exception) -> None:
        """Let what is held fail."""
        for held in self.held:
            if not held.freed.done():
                held.freed.set_exception(error)
        self.held = []

    def let_go(self) -> None:
        """Let the first pass that is held, and the others look again."""
        for place, held in enumerate(self.held):
            if not held.freed.done():
                held.freed.set_result(place == 0)
        self.held = []


def show_step(step: Step, name: str) -> str:
    """Return a step in a few words, with the name of its object and the line that does it."""
    # Keys and partitions are what came over the wire, pickled or empty.
    path = "" if step.path == "b''" or step.path.startswith("b'\\x80") else step.path
    words = f"{step.kind.value} {path}".rstrip() + (f" to {step.to}" if step.to else "")
    of = f" of {name or step.object_id}" if step.object_id else ""
    where = f" ({step.where[-1]})" if step.where else ""
    return f"{words}{of}{where}"

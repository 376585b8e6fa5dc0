"""
Single runs: one at random, one that is given, one that is as quiet as can be, and how any is noted.

A run's *choices* are the numbers of what was chosen, in the order of `options.arranged`, at each
point where there was more than one option; zeros at the end are left out, since 0 is what a replay
takes when nothing is given.
"""

import itertools
from collections.abc import Sequence

from modal_emulator.ground.chance import Chance
from modal_emulator.orders.options import (
    Chooser,
    Cut,
    Option,
    Outcome,
    Program,
    arranged,
    shape,
)

__all__ = ["Quiet", "RandomWalk", "Recorder", "Replay", "Run", "StaleChoices", "run_once"]


class StaleChoices(Exception):
    """Choices that this program does not have."""


class Quiet:
    """Takes the quiet choice every time."""

    def choose(self, options: Sequence[Option], current: str | None) -> int:
        """Return who goes on."""
        return arranged(options, current)[0]


class RandomWalk:
    """Takes any option, each as likely as the others."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def choose(self, options: Sequence[Option], current: str | None) -> int:
        """Return one of them."""
        return arranged(options, current)[self._chance.below(len(options))]


class Replay:
    """Takes what is given, and the quiet choice after that."""

    def __init__(self, choices: Sequence[int], *, strict: bool = True) -> None:
        """
        Take these choices.

        Args:
            choices: see above.
            strict: a choice that is not there is an error; else the last option stands for it.
        """
        self._choices = choices
        self._next = 0
        self._strict = strict

    @property
    def left(self) -> int:
        """How many of the choices were not asked for yet."""
        return len(self._choices) - self._next

    def choose(self, options: Sequence[Option], current: str | None) -> int:
        """Return the next of what is given."""
        order = arranged(options, current)
        if len(order) == 1 or not self.left:
            return order[0]
        wanted = self._choices[self._next]
        self._next += 1
        if wanted >= len(order):
            if self._strict:
                raise StaleChoices(
                    f"choice {self._next} is number {wanted} of what can happen, and there are "
                    f"{len(order)} options: {', '.join(map(str, options))}"
                )
            wanted = len(order) - 1
        return order[wanted]


class Recorder:
    """Notes what another chooser takes."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._choices: list[int] = []
        self.steps: list[Option] = []
        self.cut = False
        self.max_options = 0
        self.error: Exception | None = None
        """What the chooser raised; a program may have swallowed it."""

    @property
    def choices(self) -> tuple[int, ...]:
        """The choices so far."""
        end = len(self._choices)
        while end and not self._choices[end - 1]:
            end -= 1
        return tuple(self._choices[:end])

    def choose(self, options: Sequence[Option], current: str | None) -> int:
        """Return what the other says."""
        try:
            index = self._chooser.choose(options, current)
        except Cut:
            self.cut = True
            raise
        except Exception as error:
            self.error = error
            raise
        if len(options) > 1:
            self._choices.append(arranged(options, current).index(index))
        self.steps.append(options[index])
        self.max_options = max(self.max_options, len(options))
        return index


class Run:
    """One run that is over."""

    def __init__(self, recorder: Recorder, outcome: Outcome) -> None:
        self.choices = recorder.choices
        self.steps = tuple(recorder.steps)
        self.cut = recorder.cut
        self.max_options = recorder.max_options
        self.outcome = outcome

    @property
    def failed(self) -> bool:
        """Say whether it was run to its end, which was bad."""
        return not self.cut and self.outcome.failure is not None

    @property
    def shape(self) -> tuple[tuple[int, str, str], ...]:
        """What it has in common with those that differ in independent steps only."""
        return shape(self.steps)

    @property
    def switches(self) -> int:
        """How often another actor went on."""
        actors = [step.actor for step in self.steps]
        return sum(one != next_one for one, next_one in itertools.pairwise(actors))


def run_once(program: Program, chooser: Chooser) -> Run:
    """
    Run the program once, and note what was chosen.

    Raises:
        Exception: whatever the chooser raises, but for `Cut`, and what the program lets out.
    """
    recorder = Recorder(chooser)
    try:
        outcome = program(recorder)
    except Cut:
        outcome = Outcome()
    if recorder.error is not None:
        raise recorder.error
    return Run(recorder, outcome)

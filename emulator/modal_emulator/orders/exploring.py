"""
Trying many orders of one program, and what is said of it in the end.

An explorer says how each next run chooses; which way, it decides from the runs that are over.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from modal_emulator.ground.chance import Chance
from modal_emulator.orders.options import Chooser, Program
from modal_emulator.orders.walks import RandomWalk, Run, run_once

__all__ = ["Explorer", "RandomWalks", "Report", "explore"]


class Explorer(Protocol):
    """Tries orders of one program, one after the other."""

    @property
    def exhausted(self) -> bool:
        """Say whether every order that matters was tried."""
        ...

    @property
    def chance(self) -> float | None:
        """
        The chance that what was tried holds a bug of the stated depth, if there is one.

        None where nothing can be promised.
        """
        ...

    def begin(self) -> Chooser | None:
        """Return who chooses in the next run; None when nothing is left to try."""
        ...

    def end(self, run: Run) -> None:
        """Take note of the run that was begun."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What was tried, and what was found."""

    schedules: int = 0
    """Runs, without those of shrinking, and without what was given up half-way."""
    distinct: int = 0
    """How many of them differ in more than the order of independent steps."""
    cut: int = 0
    """Runs that were given up half-way, as they could show nothing new."""
    exhaustive: bool = False
    """Every order that matters was tried."""
    chance: float | None = None
    """Of having found a bug of depth `depth` if there is one; None where nothing is promised."""
    depth: int | None = None
    max_steps: int = 0
    """Of the longest run."""
    max_options: int = 0
    """The most that could happen at one point."""
    shrink_runs: int = 0
    failing: Run | None = None
    """The failing run; the simplest one after shrinking."""

    def __str__(self) -> str:
        """Return it in one line."""
        words = [f"{self.schedules} schedules", f"{self.distinct} distinct"]
        words.append(f"at most {self.max_steps} steps")
        if self.exhaustive:
            words.append("exhaustive")
        elif self.chance is not None:
            words.append(f"chance of a bug of depth {self.depth} at least {self.chance:.2g}")
        if self.shrink_runs:
            words.append(f"{self.shrink_runs} runs to shrink it")
        return ", ".join(words)


class RandomWalks:
    """Any order, as it comes; nothing can be promised of it."""

    exhausted = False
    chance = None

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def begin(self) -> Chooser:
        """Return one that draws."""
        return RandomWalk(self._chance)

    def end(self, run: Run) -> None:
        """Take note of nothing."""


def explore(
    program: Program,
    explorer: Explorer,
    schedules: int,
    *,
    told: Callable[[Run], None] | None = None,
    onward: bool = False,
) -> Report:
    """
    Run the program until an order fails, all were tried, or there were enough.

    Args:
        program: what is run.
        explorer: what says in which orders.
        schedules: how many runs there may be.
        told: called with each run.
        onward: go on after a failure; the first failing run is the one that is reported.
    """
    report = Report(depth=getattr(explorer, "depth", None))
    shapes = set()
    while report.schedules + report.cut < schedules and ((chooser := explorer.begin()) is not None):
        run = run_once(program, chooser)
        explorer.end(run)
        if told is not None:
            told(run)
        if run.cut:
            report = replace(report, cut=report.cut + 1)
            continue
        shapes.add(hash(run.shape))
        report = replace(
            report,
            schedules=report.schedules + 1,
            distinct=len(shapes),
            max_steps=max(report.max_steps, len(run.steps)),
            max_options=max(report.max_options, run.max_options),
        )
        if run.failed and report.failing is None:
            report = replace(report, failing=run)
            if not onward:
                break
    return replace(report, exhaustive=explorer.exhausted, chance=explorer.chance)

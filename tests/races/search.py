"""One search for one bug by `explore`, told in figures."""

from dataclasses import dataclass
from typing import Any

from modal_emulator import RaceFound, explore
from modal_emulator.emulator import Running
from races.case import Bug, Twin

__all__ = ["Search", "search"]


@dataclass(frozen=True)
class Search:
    """What came of it."""

    found: bool
    schedules: int
    """How many were run until it was found, or at all."""
    exhaustive: bool = False
    steps: int = 0
    """Of the shortest failing schedule that is told."""
    told: str = ""
    """The message of what was found."""


def search(
    running: Running, bug: Bug, twin: Twin, *, shorten: bool = False, **options: Any
) -> Search:
    """Look for a schedule in which this twin fails; what is found is made short if asked for."""
    invariant, setup = bug.invariant, bug.setup
    try:
        explored = explore(
            lambda: twin.program(running),
            app=twin.app,
            invariant=None if invariant is None else lambda: invariant(running),
            setup=None if setup is None else lambda: setup(running),
            shrink=shorten,
            running=running,
            **{**bug.options, **options},
        )
    except RaceFound as race:
        return Search(True, race.schedules_run, steps=len(race.story.splitlines()), told=str(race))
    return Search(False, explored.schedules, explored.exhaustive)

"""
What can happen next, who chooses, and what came of it.

Values only. Which orders are tried is decided in `walks`, `reduction` and `priorities`; here is
what makes two steps dependent, and how options are numbered, so that 0 is the quiet choice.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "ANYTHING",
    "END",
    "Chooser",
    "Cut",
    "NotDeterministic",
    "Option",
    "Outcome",
    "Program",
    "arranged",
    "dependent",
    "shape",
]


ANYTHING = "*"
"""The resource of a step that may touch any other; it depends on every step."""


@dataclass(frozen=True, slots=True)
class Option:
    """
    A step that can happen now.

    `reads` and `writes` are the resources that it touches, and whatever decides if another step
    can happen counts as touched: what makes a step possible, impossible or different must share a
    resource with it that one of them writes. An actor that has to wait for another takes the step
    that waits first (and waits within it), rather than having no option until then.
    """

    actor: str
    """Who does it; the same name in every run."""
    action: str
    """What is done; with the actor it names the option among those of one point."""
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    cost: int = 0
    """How far from a quiet run it is: 0 for the program's own steps, more for faults."""
    optional: bool = False
    """
    It need never be taken: a kill, a background commit. Whoever offers it bounds how often; those
    that use up one budget write one resource, since one that is taken takes from the others.
    Where nothing else is left it is offered once more, together with `END`.
    """

    def __str__(self) -> str:
        return f"{self.actor}: {self.action}"


END = Option("end", "the program is over")
"""Ends a run in which only optional steps could still happen."""


class Chooser(Protocol):
    """Says which step comes next."""

    def choose(self, options: Sequence[Option], current: str | None) -> int:
        """
        Return the index of one of the options.

        Args:
            options: all that can happen now, at least one.
            current: the actor of the step before; None at the start.

        Raises:
            Cut: this order is not worth going on with; the program ends as fast as it can.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

    failure: BaseException | None = None
    """Why the order is a bad one; None for a good one."""
    story: object = None
    """Whatever the program wants to tell of the run; nobody here looks at it."""


Program = Callable[[Chooser], Outcome]
"""Runs once, as the chooser says; the same choices give the same run."""


class Cut(Exception):
    """
    A chooser gives a run up, as it can show nothing new.

    A program lets it out, or returns any outcome, which is then not looked at.
    """


class NotDeterministic(Exception):
    """The same choices led to another point, so orders can be neither counted nor replayed."""

    def __init__(self, step: int, before: Iterable[Option], now: Iterable[Option]) -> None:
        old, new = set(before), set(now)
        self.step = step
        """The number of the step that was to be chosen, from 0."""
        self.missing = tuple(sorted(map(str, old - new)))
        self.added = tuple(sorted(map(str, new - old)))
        changed = " (with other resources)" if self.missing == self.added else ""
        super().__init__(
            f"the same choices gave other steps at step {step}: "
            f"before {', '.join(self.missing) or 'nothing else'}; "
            f"now {', '.join(self.added) or 'nothing else'}{changed}"
        )


def dependent(one: Option, other: Option) -> bool:
    """Say whether the order of the two may matter."""
    return (
        one.actor == other.actor
        or ANYTHING in one.writes
        or ANYTHING in other.writes
        or not one.writes.isdisjoint(other.writes)
        or not one.writes.isdisjoint(other.reads)
        or not one.reads.isdisjoint(other.writes)
    )


def arranged(options: Sequence[Option], current: str | None) -> list[int]:
    """
    Return the indices of the options, the quiet choice first.

    What costs nothing comes before what does, then who was at it goes on, and then names decide,
    with numbers in them read as numbers. The order that options are given in does not count.
    """

    def key(index: int) -> tuple[object, ...]:
        option = options[index]
        return (
            option.cost,
            option.optional,
            option.actor != current,
            _natural(option.actor),
            _natural(option.action),
        )

    return sorted(range(len(options)), key=key)


def shape(steps: Sequence[Option]) -> tuple[tuple[int, str, str], ...]:
    """
    Return what all orders have in common that differ in independent steps only.

    This is the Foata normal form: each step stands in the first layer after all that it depends
    on. Two runs with the same shape are the same Mazurkiewicz trace.
    """
    wrote: dict[str, int] = {}
    touched: dict[str, int] = {}
    floor = highest = 0
    layers = []
    for step in steps:
        own = f"\0{step.actor}"
        after = [touched.get(each, 0) for each in (own, *step.writes)]
        after += [wrote.get(each, 0) for each in step.reads]
        layer = max(floor, *after) + 1
        if ANYTHING in step.writes:
            layer = floor = highest + 1
        highest = max(highest, layer)
        layers.append((layer, step.actor, step.action))
        for each in (own, *step.writes):
            wrote[each] = max(layer, wrote.get(each, 0))
        for each in (own, *step.writes, *step.reads):
            touched[each] = max(layer, touched.get(each, 0))
    return tuple(sorted(layers))


def _natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    parts = re.split(r"(\d+)", name)
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)

"""
Plans made of words, for a World: it knows which RPCs are answered and what containers can do.

A file of faults is in TOML, a table `[[fault]]` for each, whose `what` says what happens; a text of
lines has one fault in each. What a file plans takes the place of what the one before has planned.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import Any

from modal_emulator.ground.errors import Invalid
from modal_emulator.schedule.faults.plans import Plan
from modal_emulator.schedule.faults.standing import Faults
from modal_emulator.schedule.faults.words import line_of, plan_of

__all__ = ["Planning", "check", "lines_of", "tables_of"]

# The one came into Python with 3.11 out of the other.
_TOML: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
Said = tuple[str, Mapping[str, Any]]


class Planning:
    """Makes plans of words and adds them."""

    def __init__(self, faults: Faults, rpcs: Callable[[], Collection[str]]) -> None:
        """Plan for these faults; `rpcs` returns those that are answered."""
        self._faults = faults
        self._rpcs = rpcs
        self._loaded: list[Callable[[], None]] = []

    def plan(self, what: str, said: Mapping[str, Any]) -> Plan:
        """
        Return the plan that these words say, without adding it.

        Raises:
            Invalid: they make no sense.
        """
        return plan_of(what, said, self._rpcs(), self._faults.seed)

    def add(self, what: str, said: Mapping[str, Any]) -> tuple[Plan, Callable[[], None]]:
        """Add the plan that these words say; also returns what takes it back. Raises as `plan`."""
        made = self.plan(what, said)
        return made, self._faults.add(made)

    def load(self, text: str) -> tuple[Plan, ...]:
        """
        Add what a file says, in place of what is left of the file before.

        Raises:
            Invalid: it makes no sense; nothing has changed.
        """
        plans = tuple(self.plan(what, said) for what, said in tables_of(text))
        while self._loaded:
            self._loaded.pop()()
        self._loaded = [self._faults.add(plan, expected=False) for plan in plans]
        return plans

    def begin(self, all_said: Iterable[Said]) -> None:
        """Add what a World begins with; nobody expects that each of it is met."""
        for what, said in all_said:
            self._faults.add(self.plan(what, said), expected=False)


def check(all_said: Iterable[Said], rpcs: Collection[str]) -> None:
    """Raise as `Planning.plan` does if any of it makes no sense."""
    for what, said in all_said:
        plan_of(what, said, rpcs)


def tables_of(text: str) -> tuple[Said, ...]:
    """
    Return what a file of faults says.

    Raises:
        Invalid: it cannot be read.
    """
    try:
        read = _TOML.loads(text)
    except _TOML.TOMLDecodeError as error:
        raise Invalid(f"a file of faults is in TOML: {error}") from None
    tables = read.pop("fault", [])
    if read or not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise Invalid(f"a file of faults has tables [[fault]] and nothing else{_else(read)}")
    for number, table in enumerate(tables, 1):
        if not isinstance(table.get("what"), str):
            raise Invalid(f"[[fault]] number {number} does not say `what` is to happen")
    return tuple(
        (table["what"], {name: value for name, value in table.items() if name != "what"})
        for table in tables
    )


def lines_of(lines: Iterable[str]) -> tuple[Said, ...]:
    """Return what lines say; those that are empty, or begin with #, say nothing."""
    said = (line.strip() for line in lines)
    return tuple(line_of(line) for line in said if line and not line.startswith("#"))


def _else(read: Mapping[str, Any]) -> str:
    return f", not {next(iter(read))!r}" if read else ""

"""
Failing orders made simple, and remembered, by Hypothesis.

A list of choices is a value that Hypothesis draws, shrinks and keeps in its example database. What
an explorer found is given to it as the first example, by a backend of its own that draws just that
(`given`); all runs after that are Hypothesis' own. It is an optional package, and imported when it
is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from modal_emulator.orders.exploring import Explorer, Report, explore
from modal_emulator.orders.options import Program
from modal_emulator.orders.walks import Replay, Run, run_once

if TYPE_CHECKING:
    from hypothesis.database import ExampleDatabase

__all__ = ["MissingHypothesis", "Shrinker", "own_database", "search"]

_LONGEST = 3000  # choices; Hypothesis has a limit of its own a little above
_EXAMPLES = 5  # the quiet run comes first, then the given one
_WIDEST = 1023  # the same for all programs, as saved examples are read with the same bounds


class MissingHypothesis(ImportError):
    """Exploring needs a package that is not installed."""

    def __init__(self) -> None:
        super().__init__("exploring orders needs Hypothesis: pip install 'modal-emulator[explore]'")


def own_database() -> ExampleDatabase | None:
    """
    Return the database that Hypothesis uses by default: the project's, if it has one.

    Raises:
        MissingHypothesis: it is not installed.
    """
    try:
        from hypothesis import settings
    except ImportError:
        raise MissingHypothesis from None
    return settings.default.database if settings.default is not None else None


def search(
    program: Program,
    explorer: Explorer,
    schedules: int,
    shrinker: Shrinker,
    told: Callable[[Run], None] | None = None,
) -> Report:
    """
    Look for an order that fails, first among those that failed before, and make it simple.

    Args:
        program: what is run.
        explorer: what says in which orders.
        schedules: how many runs there may be, without those of shrinking.
        shrinker: what makes the failing order simple.
        told: called with each run of the search.
    """
    if (known := shrinker.known(program)) is not None:
        return _shrunk(Report(), known, shrinker)
    report = explore(program, explorer, schedules, told=told)
    if report.failing is None:
        return report
    return _shrunk(report, shrinker.shrink(program, report.failing), shrinker)


class Shrinker:
    """Makes the choices of one program's failing runs simple, within a number of runs."""

    def __init__(
        self, runs: int = 200, *, key: bytes = b"", database: ExampleDatabase | None = None
    ) -> None:
        """
        Make failing runs simple.

        Args:
            runs: how many there may be; the simplest failing one so far is taken after that.
            key: names the program in the database.
            database: where failing choices are kept; none are without one.

        Raises:
            MissingHypothesis: it is not installed.
        """
        try:
            import hypothesis  # noqa: F401
        except ImportError:
            raise MissingHypothesis from None
        self._most = runs
        self._key = key
        self._database = database
        self._known: dict[tuple[int, ...], Run] = {}
        self._best: list[int] | None = None
        self.runs = 0

    def known(self, program: Program) -> Run | None:
        """Return the simplest of what failed before and still does, from the database."""
        from hypothesis import Phase

        if self._database is None:
            return None
        return self._find(program, [Phase.reuse, Phase.shrink], "hypothesis")

    def shrink(self, program: Program, failing: Run) -> Run:
        """Return the simplest failing run that was found from this one."""
        from hypothesis import Phase

        from modal_emulator.orders.given import BACKEND, given_first

        choices = failing.choices[:_LONGEST]
        self._known[choices] = failing
        with given_first([len(choices), *choices]):
            found = self._find(program, [Phase.generate, Phase.shrink], BACKEND)
        return found or failing

    def _find(self, program: Program, phases: list[Any], backend: str) -> Run | None:
        from hypothesis import Verbosity, find, settings
        from hypothesis.errors import NoSuchExample

        self._best = None
        try:
            find(
                _lists(),
                lambda choices: self._fails(program, choices),
                settings=settings(
                    backend=backend,
                    database=self._database,
                    phases=phases,
                    max_examples=_EXAMPLES,
                    deadline=None,
                    verbosity=Verbosity.quiet,
                ),
                database_key=self._key,
            )
        except (NoSuchExample, SkipTest):  # nothing was saved, or nothing of it fails any more
            return None
        except _Enough:
            pass
        return None if self._best is None else self._known[_trimmed(self._best)]

    def _fails(self, program: Program, choices: list[int]) -> bool:
        key = _trimmed(choices)
        if key not in self._known:
            if self.runs >= self._most:
                raise _Enough
            self.runs += 1
            run = run_once(program, Replay(key, strict=False))
            self._known[key] = self._known[run.choices] = run
        failed = self._known[key].failed
        # Hypothesis' own idea of simple: short first, then small numbers.
        if failed and (self._best is None or _rank(choices) < _rank(self._best)):
            self._best = choices
        return failed


class _Enough(BaseException):
    """There were as many runs as there may be; no Exception, since Hypothesis would shrink it."""


def _lists() -> Any:
    from hypothesis import strategies as st

    @st.composite
    def lists(draw: Any) -> list[int]:
        length = draw(st.integers(0, _LONGEST))
        return [draw(st.integers(0, _WIDEST)) for _ in range(length)]

    return lists()


def _trimmed(choices: Sequence[int]) -> tuple[int, ...]:
    end = len(choices)
    while end and not choices[end - 1]:
        end -= 1
    return tuple(choices[:end])


def _rank(choices: list[int]) -> tuple[int, list[int]]:
    return len(choices), choices


def _shrunk(report: Report, failing: Run, shrinker: Shrinker) -> Report:
    return replace(
        report,
        failing=failing,
        shrink_runs=shrinker.runs,
        max_steps=max(report.max_steps, len(failing.steps)),
        max_options=max(report.max_options, failing.max_options),
    )

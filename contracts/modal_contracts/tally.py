"""
What came of the clauses of a run, counted by grade of evidence.

A clause that ran several times is broken if one run broke it. Knows no test runner beyond words.
"""

from collections import Counter
from collections.abc import Iterator
from enum import Enum

from modal_contracts.evidence import Grade

__all__ = ["Outcome", "Tally"]


class Outcome(Enum):
    """What can come of a clause; a later one outweighs those before it."""

    LEFT_OUT = "left out"
    KEPT = "kept"
    BROKEN = "broken"


WEIGHT = list(Outcome)


class Tally:
    """Collects outcomes while the run goes on."""

    def __init__(self) -> None:
        self._grades: dict[str, Grade] = {}
        self._outcomes: dict[str, Outcome] = {}

    def add(self, clause_id: str, grade: Grade, outcome: Outcome) -> None:
        """Note what one run of a clause gave."""
        before = self._outcomes.get(clause_id, outcome)
        self._grades[clause_id] = grade
        self._outcomes[clause_id] = max(before, outcome, key=WEIGHT.index)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """What came of each clause, by its id, sorted."""
        return dict(sorted(self._outcomes.items()))

    def lines(self) -> Iterator[str]:
        """Give a small table: one line per grade, and their sum."""
        yield f"{'evidence':<12}" + "".join(f"{outcome.value:>10}" for outcome in Outcome)
        for grade in Grade:
            counts = Counter(
                outcome for id, outcome in self._outcomes.items() if self._grades[id] is grade
            )
            yield f"{grade.value:<12}" + _row(counts)
        yield f"{'all':<12}" + _row(Counter(self._outcomes.values()))


def _row(counts: Counter[Outcome]) -> str:
    return "".join(f"{counts[outcome]:>10}" for outcome in Outcome)

"""Clauses are counted once, by the worst that came of them."""

from modal_contracts.evidence import Grade
from modal_contracts.tally import Outcome, Tally


def test_a_clause_counts_once_by_its_worst_run() -> None:
    tally = Tally()
    for outcome in (Outcome.KEPT, Outcome.BROKEN, Outcome.KEPT):
        tally.add("volumes/a", Grade.DOCUMENTED, outcome)
    tally.add("volumes/b", Grade.ASSUMED, Outcome.LEFT_OUT)
    tally.add("volumes/b", Grade.ASSUMED, Outcome.KEPT)
    assert tally.outcomes == {"volumes/a": Outcome.BROKEN, "volumes/b": Outcome.KEPT}


def test_the_table_has_a_line_per_grade_and_a_sum() -> None:
    tally = Tally()
    tally.add("volumes/a", Grade.DOCUMENTED, Outcome.KEPT)
    tally.add("volumes/b", Grade.DOCUMENTED, Outcome.LEFT_OUT)
    tally.add("volumes/c", Grade.OBSERVED, Outcome.BROKEN)
    rows = {line.split()[0]: line.split()[1:] for line in list(tally.lines())[1:]}
    assert rows == {
        "documented": ["1", "1", "0"],
        "live-tested": ["0", "0", "0"],
        "inferred": ["0", "0", "0"],
        "observed": ["0", "0", "1"],
        "assumed": ["0", "0", "0"],
        "all": ["1", "1", "1"],
    }

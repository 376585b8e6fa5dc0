"""
The rules of a suite of clauses, checked before any of them runs.

Each test carries exactly one clause; ids are unique and follow from folder and function name;
the docstring states the claim; the evidence has the shape of its grade.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from modal_contracts.clause import Clause, claim, clauses_of

__all__ = ["Entry", "broken_rules"]

VERSION = re.compile(r"\d+\.\d+\.\d+")
PREFIX = "test_"


@dataclass(frozen=True, slots=True)
class Entry:
    """One test function of a suite and where it stands."""

    place: str
    """How the user finds it, such as `volumes/test_commit.py::test_exit_commits`."""
    folder: str
    """The folders below the top of the suite, such as `volumes`."""
    test: Any

    @property
    def expected_id(self) -> str:
        """The id that the place asks for."""
        name = self.test.__name__.removeprefix(PREFIX).replace("_", "-")
        return f"{self.folder}/{name}" if self.folder else name


def broken_rules(entries: Iterable[Entry]) -> list[str]:
    """Return one line for each rule that an entry breaks."""
    seen: dict[str, str] = {}
    lines = []
    for entry in entries:
        noted = clauses_of(entry.test)
        if len(noted) != 1:
            lines.append(f"{entry.place}: carries {len(noted)} clauses, must carry exactly one")
        for clause in noted:
            lines += [f"{entry.place}: {flaw}" for flaw in _flaws(entry, clause)]
            if clause.id in seen and seen[clause.id] != entry.place:
                lines.append(f"{entry.place}: the id {clause.id!r} is taken by {seen[clause.id]}")
            seen.setdefault(clause.id, entry.place)
    return lines


def _flaws(entry: Entry, clause: Clause) -> Iterator[str]:
    if clause.id != entry.expected_id:
        yield f"the id is {clause.id!r}, its folder and name ask for {entry.expected_id!r}"
    if not claim(entry.test):
        yield "no docstring states the claim"
    elif not claim(entry.test).endswith("."):
        yield "the claim in the docstring must be a sentence and end with a full stop"
    if flaw := clause.evidence.flaw():
        yield flaw
    if not VERSION.fullmatch(clause.since):
        yield f"since={clause.since!r} must be a release of the SDK such as '1.2.3'"

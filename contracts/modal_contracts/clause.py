"""
A clause: one claim about Modal, one test, one piece of evidence.

The decorator notes it on the test function; the claim is the first line of the docstring.
Whether a suite keeps the rules is decided in `rules`.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from modal_contracts.evidence import Evidence
from modal_contracts.target import Capability

__all__ = ["Clause", "both_versions", "claim", "clause", "clauses_of"]

Test = TypeVar("Test", bound=Callable[..., None])

MARK = "__modal_clauses__"

both_versions = pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])
"""Runs a clause once per version of the Volume file system."""


@dataclass(frozen=True, slots=True)
class Clause:
    """What the decorator was told."""

    id: str
    evidence: Evidence
    since: str
    """The first SDK release that has what the clause uses."""
    needs: frozenset[Capability]


def clause(
    id: str,
    evidence: Evidence,
    *,
    since: str = "1.0.0",
    needs: Iterable[Capability] = (),
) -> Callable[[Test], Test]:
    """Make a test function a clause, `id` being its folder, a slash, and its name with dashes."""

    def mark(test: Test) -> Test:
        noted = Clause(id, evidence, since, frozenset(needs))
        setattr(test, MARK, (*clauses_of(test), noted))
        return test

    return mark


def clauses_of(test: Any) -> tuple[Clause, ...]:
    """Return the clauses noted on a test function; a lawful suite has one on each."""
    noted: tuple[Clause, ...] = getattr(test, MARK, ())
    return noted


def claim(test: Any) -> str:
    """Return what the clause claims: the first paragraph of the docstring, on one line."""
    text = inspect.cleandoc(test.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].split())

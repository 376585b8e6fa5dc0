"""A suite that breaks a rule hears which, where, and what was asked for."""

from typing import Any

from modal_contracts.clause import claim, clause
from modal_contracts.evidence import assumed, documented
from modal_contracts.report import entries
from modal_contracts.rules import Entry, broken_rules

GUIDE = documented("guide/volumes")


def lawful() -> Any:
    @clause("volumes/a-thing-holds", GUIDE)
    def test_a_thing_holds() -> None:
        """
        A thing holds,
        also on two lines.

        What follows is no claim.
        """

    return test_a_thing_holds


def entry(test: Any, folder: str = "volumes", file: str = "test_things.py") -> Entry:
    return Entry(f"{folder}/{file}::{test.__name__}", folder, test)


def test_a_lawful_suite_breaks_nothing() -> None:
    assert broken_rules([entry(lawful())]) == []


def test_the_claim_is_the_first_paragraph() -> None:
    assert claim(lawful()) == "A thing holds, also on two lines."


def test_a_test_without_a_clause() -> None:
    def test_bare() -> None:
        """It is bare."""

    (line,) = broken_rules([entry(test_bare)])
    place = "volumes/test_things.py::test_bare"
    assert line == f"{place}: carries 0 clauses, must carry exactly one"


def test_a_test_with_two_clauses() -> None:
    @clause("volumes/twice", GUIDE)
    @clause("volumes/twice", GUIDE)
    def test_twice() -> None:
        """It is said twice."""

    (line,) = broken_rules([entry(test_twice)])
    assert "carries 2 clauses" in line


def test_an_id_that_is_taken() -> None:
    first, second = entry(lawful()), entry(lawful(), file="test_others.py")
    (line,) = broken_rules([first, second])
    assert line == (
        "volumes/test_others.py::test_a_thing_holds: the id 'volumes/a-thing-holds' is taken by "
        "volumes/test_things.py::test_a_thing_holds"
    )


def test_an_id_that_does_not_follow_from_its_place() -> None:
    (line,) = broken_rules([entry(lawful(), folder="secrets")])
    assert "its folder and name ask for 'secrets/a-thing-holds'" in line


def test_a_clause_at_the_top_has_no_folder() -> None:
    @clause("it-holds", GUIDE)
    def test_it_holds() -> None:
        """It holds."""

    assert broken_rules([entry(test_it_holds, folder="")]) == []


def test_a_clause_without_a_claim() -> None:
    @clause("volumes/silent", GUIDE)
    def test_silent() -> None:
        pass

    (line,) = broken_rules([entry(test_silent)])
    assert line.endswith("no docstring states the claim")


def test_a_claim_that_is_no_sentence() -> None:
    @clause("volumes/half", GUIDE)
    def test_half() -> None:
        """Half a claim"""

    (line,) = broken_rules([entry(test_half)])
    assert "end with a full stop" in line


def test_evidence_without_its_source() -> None:
    @clause("volumes/hearsay", assumed(""))
    def test_hearsay() -> None:
        """They say so."""

    (line,) = broken_rules([entry(test_hearsay)])
    assert "a sentence with the reason for the assumption" in line


def test_a_release_that_is_none() -> None:
    @clause("volumes/new", GUIDE, since="1.3")
    def test_new() -> None:
        """It is new."""

    (line,) = broken_rules([entry(test_new)])
    assert "must be a release of the SDK" in line


def test_our_own_suite_is_lawful() -> None:
    found = list(entries())
    assert broken_rules(found) == []
    folders = {entry.folder for entry in found}
    assert folders >= {"volumes", "secrets", "dicts", "queues"}
    assert len(found) >= 45

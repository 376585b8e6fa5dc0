"""Levels and what is allowed: the closest word counts, and what makes no sense is refused."""

import pytest

from modal_emulator.findings.finding import Finding, Level, Subject
from modal_emulator.findings.levels import DEFAULTS, Allowed, Levels
from modal_emulator.ground.errors import Invalid

STALE = Finding(
    Subject.STALE_READ,
    "read read models/a",
    objects=("cache",),
    paths=("models/a", "models/b"),
    functions=("serve", "train"),
)


def test_two_subjects_are_off_by_themselves() -> None:
    off = {subject for subject, level in DEFAULTS.items() if level is Level.OFF}
    assert off == {Subject.OVERWRITTEN, Subject.BACKGROUND}
    assert Levels().of(STALE) is Level.WARN


@pytest.mark.parametrize(
    "changes, stale, background",
    [
        ({"stale read": "fail"}, Level.FAIL, Level.OFF),
        ({"default": "fail"}, Level.FAIL, Level.OFF),
        ({"default": "fail", "stale read": "warn"}, Level.WARN, Level.OFF),
        ({"saved only by a background commit": "warn"}, Level.WARN, Level.WARN),
        ({"default": "off"}, Level.OFF, Level.OFF),
    ],
)
def test_levels_by_name(changes: dict[str, str], stale: Level, background: Level) -> None:
    levels = Levels().having(changes)
    assert levels.of(STALE) is stale
    assert levels.by_subject[Subject.BACKGROUND] is background
    assert levels.tell_nothing is (changes == {"default": "off"})
    assert levels.may_fail is ("fail" in changes.values())


@pytest.mark.parametrize(
    "line, is_covered",
    [
        ("stale read", True),
        ("*", True),
        ("lost update", False),
        ("stale read: path=models/*", True),
        ("stale read: path=models/a", False),  # not all of them
        ("stale read: function=serve volume=cache", True),
        ("stale read: function=other", False),
        ("* : volume=other", False),
    ],
)
def test_what_is_allowed(line: str, is_covered: bool) -> None:
    assert Allowed.parse(line).covers(STALE) is is_covered
    assert (Levels().allowing([line]).of(STALE) is Level.OFF) is is_covered


@pytest.mark.parametrize("line", ["stale", "stale read: models/*", "stale read: file=a"])
def test_a_line_that_makes_no_sense(line: str) -> None:
    with pytest.raises(Invalid):
        Allowed.parse(line)


@pytest.mark.parametrize("changes", [{"stale": "off"}, {"stale read": "loud"}])
def test_a_level_that_makes_no_sense(changes: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        Levels().having(changes)

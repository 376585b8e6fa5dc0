"""
How a claim about Modal is known.

There are five grades, from what Modal's documentation says down to an assumption, and each asks
for a source of its own kind. Whether a source has the right shape is decided here, whether it is
true is not. This room knows no test runner.
"""

import re
from dataclasses import dataclass
from enum import Enum

__all__ = ["Evidence", "Grade", "assumed", "documented", "inferred", "live_tested", "observed"]


class Grade(Enum):
    """The kinds of evidence, the strongest first."""

    DOCUMENTED = "documented"
    LIVE_TESTED = "live-tested"
    INFERRED = "inferred"
    OBSERVED = "observed"
    ASSUMED = "assumed"

    @property
    def meaning(self) -> str:
        """What stands behind a claim of this grade."""
        return MEANINGS[self]


MEANINGS = {
    Grade.DOCUMENTED: "Modal's documentation or changelog says so",
    Grade.LIVE_TESTED: "a test in Modal's own repository asserts it against the real service",
    Grade.INFERRED: "it can be read off the source of the SDK",
    Grade.OBSERVED: "users of the real service have reported it",
    Grade.ASSUMED: "nobody has shown it; the reason for the assumption is given",
}

# What a source must look like, and how to say so.
SHAPES: dict[Grade, tuple[str, str]] = {
    Grade.DOCUMENTED: (
        r"(guide|sdk/py/latest|cli/latest|examples)/[\w.-]+(#[\w.-]+)?|changelog/\d+\.\d+\.\d+",
        "a page below https://modal.com/docs such as `guide/volumes`, or `changelog/1.3.5`",
    ),
    Grade.LIVE_TESTED: (
        r"(js|go|py)/test/[\w./-]+ \w+",
        "a file of modal-client and a test in it, such as `js/test/secret.test.ts SecretFromName`",
    ),
    Grade.INFERRED: (
        r"modal/[\w/]+\.py [\w.]+",
        "a file of the SDK and a symbol in it, such as `modal/volume.py _Volume.commit`",
    ),
    Grade.OBSERVED: (r"(?=.*\s).{20,}", "a sentence about what was seen, and by whom"),
    Grade.ASSUMED: (r"(?=.*\s).{20,}", "a sentence with the reason for the assumption"),
}

DOCS = "https://modal.com/docs/"
REPOSITORY = "https://github.com/modal-labs/modal-client/blob/main/"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One grade and where to look, or why to assume."""

    grade: Grade
    source: str

    def flaw(self) -> str:
        """Say what is wrong with the source's shape; an empty string when nothing is."""
        shape, expected = SHAPES[self.grade]
        if re.fullmatch(shape, self.source, re.DOTALL):
            return ""
        return f"{self.grade.value} evidence must name {expected}, not {self.source!r}"

    @property
    def link(self) -> str:
        """The address where the source can be read, or an empty string."""
        if self.grade is Grade.DOCUMENTED and self.source.startswith("changelog/"):
            return REPOSITORY + "py/CHANGELOG.md"
        if self.grade is Grade.DOCUMENTED:
            return DOCS + self.source
        if self.grade is Grade.LIVE_TESTED:
            return REPOSITORY + self.source.split()[0]
        return ""


def documented(page: str) -> Evidence:
    """Modal's documentation says so, on this page or in this release's part of the changelog."""
    return Evidence(Grade.DOCUMENTED, page)


def live_tested(file: str, test: str) -> Evidence:
    """A test of Modal's own asserts it against the real service."""
    return Evidence(Grade.LIVE_TESTED, f"{file} {test}")


def inferred(file: str, symbol: str) -> Evidence:
    """The SDK's source says so, in this file, at this symbol."""
    return Evidence(Grade.INFERRED, f"{file} {symbol}")


def observed(report: str) -> Evidence:
    """Users of the real service have seen it."""
    return Evidence(Grade.OBSERVED, report)


def assumed(reason: str) -> Evidence:
    """Nobody has shown it; this is why it is assumed all the same."""
    return Evidence(Grade.ASSUMED, reason)

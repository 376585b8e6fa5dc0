"""
What whoever lends an emulator to a test wants of the explorations in it, and what is told of them.

The plugin knows the command line, and explorations happen two floors below it: this is where they
meet.
"""

from dataclasses import dataclass, field

__all__ = ["Wishes"]


@dataclass(slots=True)
class Wishes:
    """For one test."""

    test: str = ""
    """How the test is named on the command line."""
    replay: str = ""
    """The token of the one schedule to run."""
    schedules: int | None = None
    """At most so many, whatever the test says."""
    told: list[str] = field(default_factory=list)
    """A line for each exploration that is over."""

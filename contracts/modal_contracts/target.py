"""
The seam between the clauses and what they are run against.

A target says what it offers and how the SDK reaches it. It is never asked what it is: a clause
that needs something special names a `Capability`, and is left out where that is not offered.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol

__all__ = ["Capability", "OpenTarget", "Target", "offered"]


class Capability(str, Enum):
    """What a target may offer; the values are what it says, the meanings are below."""

    CLOCK = "clock"
    CONTAINERS = "containers"
    OPEN_FILES = "open-files"
    PROGRAMS = "programs"
    READ_ONLY_MOUNTS = "read-only-mounts"
    REAL_PATHS = "real-paths"
    SANDBOXES = "sandboxes"
    SUB_PATHS = "sub-paths"
    SUDDEN_DEATH = "sudden-death"
    VOLUME_RULES = "volume-rules"

    @property
    def meaning(self) -> str:
        """What may be expected of a target that offers this."""
        return MEANINGS[self]


MEANINGS = {
    Capability.CLOCK: "time can be made to stand and to pass",
    Capability.CONTAINERS: "functions run in containers that stay warm",
    Capability.OPEN_FILES: "it is known which files a container holds open",
    Capability.PROGRAMS: "programs that a function starts see the volumes as the function does",
    Capability.READ_ONLY_MOUNTS: "a volume can be mounted read-only",
    Capability.REAL_PATHS: "volumes lie below /__modal/volumes, mount paths are links to there",
    Capability.SANDBOXES: "there are Sandboxes, and commands run in them",
    Capability.SUB_PATHS: "a directory of a volume can be mounted alone",
    Capability.SUDDEN_DEATH: "a container may die without a word",
    Capability.VOLUME_RULES: "a volume answers every program's system calls as Modal's do",
}


class Target(Protocol):
    """Something that the unmodified SDK takes for Modal."""

    @property
    def offers(self) -> Collection[str]:
        """The values of the capabilities that it offers."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables by which the SDK finds it; none for the service itself."""
        ...

    def settle(self) -> None:
        """Return once the containers that ran to their end before have left what they leave."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that is due in it; where there is a clock to be moved."""
        ...

    def stop_time(self) -> None:
        """Let time stand until it is made to pass; where there is a clock to be stopped."""
        ...

    def begin_anew(self) -> None:
        """Return to the present, without anything that was made so far."""
        ...


class OpenTarget(Protocol):
    """Makes a target that stands for the length of a `with` block."""

    def __call__(self) -> AbstractContextManager[Target]:
        """Return the context manager; nothing is started yet."""
        ...


def offered(target: Target) -> frozenset[Capability]:
    """
    Return what the target offers.

    Raises:
        ValueError: it offers something that no clause has heard of.
    """
    return frozenset(Capability(name) for name in target.offers)

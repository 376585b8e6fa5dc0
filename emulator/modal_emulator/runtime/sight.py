"""
The seam between a container that works on files and whoever wants to see that.

A container asks how much is to be seen before each step, and then tells of it, or waits. It knows
neither who looks nor why; the other side knows nothing of file functions.
"""

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from modal_emulator.ground.steps import Moment, Step

__all__ = ["Attention", "Seen", "Sight"]


class Attention(IntEnum):
    """How much is to be seen of a container's files."""

    OFF = 0
    NOTE = 1
    """Each step is told of when it is over, and nobody waits."""
    HOLD = 2
    """Each step waits before it begins and after it is over."""


class Sight(Protocol):
    """Sees one container's steps on files; all of it is called from any thread."""

    @property
    def attention(self) -> int:
        """An `Attention`: how much is to be seen now; asked before each step, so it is quick."""
        ...

    @property
    def epoch(self) -> int:
        """
        Grows when something happens after which the same step is news.

        Until then a container tells of the same step from the same line only once.
        """
        ...

    def note(self, step: Step, error: OSError | None) -> None:
        """Hear of a step that is over, and how it failed; `step` says kind, volume and paths."""
        ...

    def hold(self, step: Step, moment: Moment, error: OSError | None = None) -> None:
        """
        Return when the step may begin, or go on after it is over, which is then noted, too.

        Raises:
            Exception: the step is to fail with it.
        """
        ...


class Seen(Sight, Protocol):
    """The same on the server's event loop, for backends whose containers are elsewhere."""

    @property
    def page(self) -> Path:
        """Where a `SightPage` is kept up to date."""
        ...

    async def arrive(self, step: Step, moment: Moment, error: OSError | None) -> None:
        """Do as `hold`, without a thread; what is raised comes as it is."""
        ...

    def source(self, read: Callable[[], None]) -> None:
        """Call `read`, which calls `note`, whenever all must be known that was told so far."""
        ...

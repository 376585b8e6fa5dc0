"""What exploring found: how many orders were run, or the shortest one that goes wrong."""

from dataclasses import dataclass

__all__ = ["Deadlock", "Endless", "Exploration", "RaceFound"]


class Deadlock(AssertionError):
    """Everybody waits for somebody else, or for what never comes."""


class Endless(AssertionError):
    """A schedule took more steps than it may."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was tried."""

    schedules: int
    """How many were run."""
    exhaustive: bool
    """Whether these stand for all there are."""
    chance: float = 0.0
    """Of having found a bug of the stated depth, if there is one; 1.0 when all were run."""
    depth: int = 0
    """So many steps that must come in one order make such a bug."""
    steps: int = 0
    """The most choices that one schedule had."""
    shrinking: int = 0
    """How many more were run to make a failing schedule short."""

    def __str__(self) -> str:
        plural = "" if self.schedules == 1 else "s"
        count = f"explored {self.schedules} schedule{plural}"
        if self.exhaustive:
            return f"{count}, all of them"
        if self.chance:
            return (
                f"{count} of more: at least {self.chance:.0%} to meet a bug of depth {self.depth}"
            )
        return f"{count} of more"

    @property
    def found(self) -> str:
        """What is said of a schedule that goes wrong."""
        where = f"schedule {self.schedules}" if self.schedules else "one that failed before"
        more = f", made short in {self.shrinking} more" if self.shrinking else ""
        return f"found in {where}{more}"


class RaceFound(AssertionError):
    """A schedule in which the program fails, or after which the invariant does not hold."""

    def __init__(self, text: str, story: str, token: str, exploration: Exploration) -> None:
        super().__init__(text)
        self.story = story
        """The schedule as text: who did what, in order."""
        self.token = token
        """Runs just this schedule: `--modal-replay=TOKEN`, or `explore(..., replay=TOKEN)`."""
        self.exploration = exploration
        self.schedules_run = exploration.schedules

"""
What can be found wrong in a run, as values.

How each is found is in the room of its name; whether it is told, and how loudly, in `levels`.
"""

from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Finding", "Level", "Subject"]


class Subject(str, Enum):
    """What a finding is about; the values are the names that users write."""

    LOST_UPDATE = "lost update"
    """A commit undid what another had done since the version that its maker had read."""
    OVERWRITTEN = "overwritten unseen"
    """A commit replaced what another had written meanwhile, without having read it."""
    STALE_READ = "stale read"
    """Something was read at an old version though a newer one was certainly there."""
    UNCOMMITTED = "uncommitted at exit"
    """What a container wrote went with it."""
    BACKGROUND = "saved only by a background commit"
    """A call's writes were published by nobody's will but the background's."""
    BLOCKED_RELOAD = "reload that can never succeed"
    """A reload was refused for open files, and no later one of this container succeeded."""
    TEMPORARY = "volume used for temporary files"
    """Files in a volume were made and removed again by the same container."""
    TORN = "torn publish"
    """A background commit split what belonged together, and somebody saw one half."""
    SECRET_LEAK = "secret leak"  # noqa: S105 - no secret either
    """A value of a secret is somewhere that it should not be."""
    ROTATION = "rotation drift"
    """A container works on with an old value of a secret."""

    def __str__(self) -> str:
        """Return the name that users write."""
        return self.value


class Level(str, Enum):
    """How loudly something is told."""

    OFF = "off"
    WARN = "warn"
    FAIL = "fail"

    def __str__(self) -> str:
        """Return the name that users write."""
        return self.value


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that went wrong."""

    subject: Subject
    title: str
    """One line, that says it to who knows the subject."""
    text: tuple[str, ...] = ()
    """Lines for the terminal: who did what, from which lines of user code, and what mends it."""
    objects: tuple[str, ...] = ()
    """Names of the volumes or secrets; the id of one that has no name."""
    paths: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    entries: tuple[int, ...] = ()
    """The numbers of the story's entries where it went wrong."""
    functions: tuple[str, ...] = field(default=())
    """The functions of those containers."""

    def __str__(self) -> str:
        """Return it as it is printed."""
        return "\n".join((f"{self.subject}: {self.title}", *(f"  {line}" for line in self.text)))

"""
Steps: the moments of a container's work with storage that somebody may see, hold or count.

A step says who does what to which object, and from which lines of user code. It does nothing; who
tells of steps and who holds them is in `schedule/steps`.
"""

from enum import Enum
from typing import NamedTuple

__all__ = ["FILE_STEPS", "KEEPING", "Kind", "Moment", "Step"]


class Kind(str, Enum):
    """What is done; the values are the names that users write."""

    START = "start"
    """A container is made, and checks out its volumes."""
    INPUT = "input"
    """A container takes an input."""
    READ = "read"
    """Open a file for reading only."""
    WRITE = "write"
    """Open a file for writing, which may make it."""
    CLOSE = "close"
    LOOK = "look"
    """Ask whether a path exists, or for its size and times."""
    LIST = "list"
    MAKE = "make"
    """Make a directory or a link."""
    RENAME = "rename"
    REMOVE = "remove"
    """Remove a file or a directory."""
    CHANGE = "change"
    """Truncate a file by its path, or change its mode or times."""
    RUN = "run"
    """Start a program."""
    COMMIT = "commit"
    RELOAD = "reload"
    BACKGROUND_COMMIT = "background commit"
    EXIT_COMMIT = "exit commit"
    DICT_READ = "dict read"
    DICT_WRITE = "dict write"
    QUEUE_READ = "queue read"
    """Look at entries, or count them, without taking any."""
    QUEUE_PUT = "queue put"
    QUEUE_GET = "queue get"
    CALL = "call"
    """Call a function, from a container or from outside."""
    RESULT = "result"
    """Ask for the result of a call."""
    OUTPUT = "output"
    """A container gives the result of an input."""
    STOP = "stop"
    """A container is told to leave."""


FILE_STEPS = frozenset(
    {
        Kind.READ,
        Kind.WRITE,
        Kind.CLOSE,
        Kind.LOOK,
        Kind.LIST,
        Kind.MAKE,
        Kind.RENAME,
        Kind.REMOVE,
        Kind.CHANGE,
    }
)
"""Those that a container does by itself, without asking the server."""


KEEPING = ("keeping",)
"""The arguments of a WRITE to a file that was opened to be added to, or changed in places."""


class Moment(str, Enum):
    """Before a step, or after it; one that failed is over as well."""

    BEFORE = "before"
    AFTER = "after"


class Step(NamedTuple):  # a tuple is made in a third of the time, and each call makes several
    """One step of one container, or of a client outside."""

    kind: Kind
    container_id: str = ""
    """Empty for a client outside of containers."""
    function: str = ""
    """The function's name in its app; for a class, the class's."""
    call_id: str = ""
    """The call that the container works on, if it is one and known."""
    object_id: str = ""
    """The volume, Dict or Queue; for CALL and RESULT the function or call."""
    path: str = ""
    """
    Within the volume, without a slash in front; for a Dict the key, for a Queue the partition, as
    the repr of what came over the wire.
    """
    to: str = ""
    """The new name in a RENAME."""
    arguments: tuple[str, ...] = ()
    """
    Of the program that a RUN starts; they may hold secrets, and no journal keeps them. Of a WRITE,
    `KEEPING` where the file was not emptied, so that what was in it counts.
    """
    version: int = 0
    """Of the volume as the container sees it; 0 where there is none, or an empty one."""
    where: tuple[str, ...] = ()
    """User code that does it, as `file.py:12 in add`; the innermost last, empty if unknown."""

    def __str__(self) -> str:
        """Return it in a few words."""
        path = f" {self.path} to {self.to}" if self.to else f" {self.path}" if self.path else ""
        return f"{self.kind.value}{path}"

    def __repr__(self) -> str:
        """Return it as Python would, without its arguments."""
        values = self._asdict()
        del values["arguments"]
        return f"Step({', '.join(f'{name}={value!r}' for name, value in values.items())})"

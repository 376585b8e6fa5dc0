"""
The story of a run, as values: who did what with storage, in which order, and what came of it.

It is read off the journal by `story`. A lane is a container, or the clients outside, whose name
is empty. An entry stands where what it did took effect, so a call stands before the input that it
made and a commit before whoever sees its version.
"""

from dataclasses import dataclass, field
from enum import Enum

from modal_emulator.ground.steps import FILE_STEPS

__all__ = ["FILE_KINDS", "Beside", "Entry", "Lane", "Report", "Story", "Version"]


class Beside(str, Enum):
    """What a story tells beside the steps of `ground.steps.Kind`."""

    MOUNT = "mount"
    """A container got its view of a volume, as it started."""
    UPLOAD = "upload"
    """Somebody outside changed a volume by the API."""
    KEPT = "kept after a kill"
    """What a container had not committed was committed in its place."""
    LOST = "lost at exit"
    """What a container had not committed went with it; `paths` say what."""
    EXIT = "exit"
    FAULT = "fault"
    """Something was made to fail on purpose."""
    FINDING = "finding"
    """Something that was found on the spot; `detail` is its title."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done."""

    number: int
    at: float
    """Seconds since 1970, by the emulator's clock."""
    lane: str
    """The container; empty for clients outside."""
    kind: str
    """The value of a `ground.steps.Kind` or a `Beside`."""
    call_id: str = ""
    """The call that the container worked on, if it is one and known."""
    object_id: str = ""
    object: str = ""
    """The name of the volume, Dict, Queue or function; its id where it has no name."""
    path: str = ""
    to: str = ""
    keeps: bool = False
    """A file was opened for writing without emptying it, so that what was there counts."""
    version: int = 0
    """Of the volume, as the lane saw it; after a reload or mount, that which it sees now."""
    made: int = 0
    """The number of the version that this made; 0 if none."""
    paths: tuple[str, ...] = ()
    """What a version changed, or what was lost."""
    where: tuple[str, ...] = ()
    """User code that did it, as `file.py:12 in add`; the innermost last, empty if unknown."""
    error: str = ""
    detail: str = ""
    after: tuple[int, ...] = ()
    """Numbers of entries, in other lanes, that this one certainly came after: it followed from."""

    @property
    def is_file_step(self) -> bool:
        """Say whether a container did it to a file of a volume, without asking the server."""
        return self.kind in FILE_KINDS


FILE_KINDS = frozenset(kind.value for kind in FILE_STEPS)
"""What is done to files, in the words of entries."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A container, or the clients outside."""

    container_id: str
    function: str
    began: float
    ended: float | None = None
    how: str = ""
    """How it ended: `in order`, or why not."""

    @property
    def title(self) -> str:
        """Who it is, in a word or two."""
        return self.function or self.container_id or "client"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a volume, and how it came about."""

    volume_id: str
    volume: str
    number: int
    at: float
    lane: str
    """Who made it; empty for a change from outside."""
    via: str
    """commit, sync, reload, background, exit, kill or api."""
    base: int
    """The version that its maker was looking at."""
    paths: tuple[str, ...]
    """What was made or changed; of a great many, the first some hundred."""
    removed: tuple[str, ...]
    added: tuple[str, ...]
    """What was not there before, with the directories that came with it."""
    entry: int
    """The number of the entry that made it."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Return all the paths that it speaks of."""
        return self.paths + self.removed


@dataclass(frozen=True, slots=True)
class Story:
    """A run."""

    lanes: tuple[Lane, ...] = ()
    entries: tuple[Entry, ...] = ()
    versions: tuple[Version, ...] = ()
    reported: tuple["Report", ...] = field(default=(), repr=False)

    def lane(self, container_id: str) -> Lane:
        """Return a lane by its container."""
        for lane in self.lanes:
            if lane.container_id == container_id:
                return lane
        raise KeyError(container_id)


@dataclass(frozen=True, slots=True)
class Report:
    """A finding that somebody else made while it happened."""

    entry: int
    subject: str
    title: str
    text: str
    object: str
    path: str
    container_id: str

"""
A story with the indexes that searches need: who changed a path when, and what a container did.

A *view* of a container begins when it gets a volume or reloads it, and ends with the next one; in
it the container sees one version, and over that what it wrote itself.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from modal_emulator.findings.causes import SHOWING, Causes
from modal_emulator.findings.entries import Entry, Lane, Story, Version
from modal_emulator.ground.steps import Kind

__all__ = ["WRITING", "Book", "Contents", "Copy", "View", "above", "told_where"]

WRITING = frozenset(
    kind.value for kind in (Kind.WRITE, Kind.MAKE, Kind.RENAME, Kind.REMOVE, Kind.CHANGE)
)
"""What changes a volume."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What an old version held at a path."""

    size: int = 0
    data: bytes | None = None
    """None if that is a lot, or the path is no file."""
    is_file: bool = False
    is_shown: bool = True
    """Whether the bytes may be shown; those that hold a secret may not."""


Contents = Callable[[str, int, str], Copy | None]
"""Returns what a version of a volume, by id and number, holds at a path; None if that is not known
any more."""


@dataclass(frozen=True, slots=True)
class View:
    """What one container did while it saw one version of a volume."""

    lane: str
    volume_id: str
    version: int
    began: int
    """The number of the entry that showed the version."""
    entries: tuple[Entry, ...]
    """What was done to the volume, in order, with the reload that ended the view as its last."""

    def wrote(self, path: str, upto: int) -> Entry | None:
        """Return the last entry before another that changed a path."""
        return next(
            (
                entry
                for entry in reversed(self.entries)
                if entry.number < upto and entry.kind in WRITING and path in touched(entry)
            ),
            None,
        )


def touched(entry: Entry) -> tuple[str, ...]:
    """Return the paths that an entry changed."""
    if entry.error:
        return ()
    return (entry.path, entry.to) if entry.to else (entry.path,)


def above(path: str) -> Iterator[str]:
    """Return the directories that a path is in, the innermost first."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def told_where(where: Sequence[str]) -> str:
    """Return lines of user code as one, the innermost first."""
    return ", called from ".join(reversed(where)) or "code that cannot be seen"


class Book:
    """A story, indexed."""

    def __init__(self, story: Story, contents: Contents | None = None) -> None:
        self.story = story
        self.entries = story.entries
        self._contents = contents

    @cached_property
    def causes(self) -> Causes:
        """What certainly came before what."""
        return Causes(self.story)

    @cached_property
    def lanes(self) -> dict[str, Lane]:
        """By container."""
        return {lane.container_id: lane for lane in self.story.lanes}

    @cached_property
    def names(self) -> dict[str, str]:
        """How lanes are called: by the function, with a number where it has several."""
        groups: dict[str, list[str]] = defaultdict(list)
        for lane in self.story.lanes:
            groups[lane.title].append(lane.container_id)
        return {
            lane: title if len(group) == 1 else f"{title}#{number}"
            for title, group in groups.items()
            for number, lane in enumerate(group, 1)
        }

    @cached_property
    def of_lane(self) -> dict[str, list[Entry]]:
        """What each lane did, in order."""
        grouped: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            grouped[entry.lane].append(entry)
        return grouped

    @cached_property
    def versions(self) -> dict[tuple[str, int], Version]:
        """By volume and number."""
        return {(one.volume_id, one.number): one for one in self.story.versions}

    @cached_property
    def changes(self) -> dict[tuple[str, str], list[Version]]:
        """By volume and path, the versions that changed it, in order."""
        changed: dict[tuple[str, str], list[Version]] = defaultdict(list)
        for one in self.story.versions:
            for path in one.changed:
                changed[one.volume_id, path].append(one)
        return changed

    @cached_property
    def comings(self) -> dict[tuple[str, str], list[Version]]:
        """By volume and path, the versions that brought the path."""
        return self._grouped(lambda one: set(one.added))

    @cached_property
    def listings(self) -> dict[tuple[str, str], list[Version]]:
        """By volume and directory, the versions by which a name in it came or went."""
        return self._grouped(lambda one: {next(above(p), "") for p in one.added + one.removed if p})

    def _grouped(self, key: Callable[[Version], set[str]]) -> dict[tuple[str, str], list[Version]]:
        grouped: dict[tuple[str, str], list[Version]] = defaultdict(list)
        for one in self.story.versions:
            for path in key(one):
                grouped[one.volume_id, path].append(one)
        return grouped

    @cached_property
    def views(self) -> tuple[View, ...]:
        """All views of all containers."""
        current: dict[tuple[str, str], tuple[Entry, list[Entry]]] = {}
        views = []
        for entry in self.entries:
            key = (entry.lane, entry.object_id)
            known = current.get(key)
            if known is not None:
                known[1].append(entry)
            if entry.kind in SHOWING and not entry.error and entry.lane:
                if known is not None:
                    views.append(_view(*known))
                current[key] = (entry, [])
        views += [_view(*known) for known in current.values()]
        return tuple(views)

    @cached_property
    def view_of(self) -> dict[int, View]:
        """By the number of each entry in it."""
        return {entry.number: view for view in self.views for entry in view.entries}

    def who(self, lane: str) -> str:
        """Return a lane's name, with its container where it is one."""
        return f"{self.names[lane]} ({lane})" if lane else "somebody outside"

    def maker(self, version: Version) -> str:
        """Return the lines of user code that made a version."""
        where = self.entries[version.entry].where
        return told_where(where) if where else "no line of its own"

    def copy(self, volume_id: str, number: int, path: str) -> Copy | None:
        """Return what a version held at a path, None if that cannot be told."""
        return self._contents(volume_id, number, path) if self._contents else None


def _view(beginning: Entry, entries: list[Entry]) -> View:
    return View(
        beginning.lane,
        beginning.object_id,
        beginning.version,
        beginning.number,
        tuple(entries),
    )

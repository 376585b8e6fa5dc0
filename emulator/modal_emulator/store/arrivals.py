"""
What an archive or a directory brings into a volume, as one edit: all of it or nothing.

It is read once, as it arrives, and its files are written straight into the new layer. It adds to
what is there, as `tar -x` does: files take the place of files, directories are joined, and neither
ever takes the place of the other.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.copying import place
from modal_emulator.store.drafts import Draft
from modal_emulator.store.edits import Edit
from modal_emulator.store.layer import describe
from modal_emulator.store.paths import Parts, show
from modal_emulator.store.tars import Member, fill
from modal_emulator.store.tree import Entry, Kind, Tree

__all__ = ["adding", "directory_members"]


def adding(members: Iterable[Member], now_ns: int) -> Edit:
    """Add members, which are asked for one after another while the edit is written."""
    arrived: dict[Parts, Entry] = {}

    def check(tree: Tree) -> None:
        for parts, entry in arrived.items():
            _check_room(tree, parts, entry)

    def write(draft: Draft) -> None:
        arrival = _Arrival(draft, now_ns, arrived)
        for member in members:
            arrival.take(member)

    return Edit(check, write)


def directory_members(directory: Path) -> Iterator[Member]:
    """
    Go through what is in a directory, links as links, in order of names.

    Raises:
        OSError: it cannot be read, or is none.
    """
    rest: list[tuple[Path, Parts]] = [(directory, ())]
    while rest:
        above, parts = rest.pop()
        for name in sorted(os.listdir(above)):  # noqa: PTH208 - names, of which there may be many
            path, below = above / name, (*parts, name)
            entry = describe(path)
            if entry is None:
                raise Invalid(f"'{path}' is a device, which a Volume cannot hold")
            yield Member(below, entry, _opener(path) if entry.kind is Kind.FILE else None)
            if entry.is_directory:
                rest.append((path, below))


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


class _Arrival:
    """The draft that takes the members, one after another."""

    def __init__(self, draft: Draft, now_ns: int, arrived: dict[Parts, Entry]) -> None:
        self._draft = draft
        self._now_ns = now_ns
        self._arrived = arrived
        self._rooms: set[Parts] = set()
        """All directories that something is in, or that came themselves."""
        self._dated: set[Parts] = set()
        """Directories that have the time that they are to have."""

    def take(self, member: Member) -> None:
        """Take one member."""
        parts, entry = member.parts, member.entry
        _check_room(self._draft.seen, parts, entry)
        self._check_company(parts, entry)
        if member.same_as is not None:
            entry = replace(self._first(member), mode=entry.mode)
        if entry.is_directory:
            self._dated.add(parts)
        self._date_parent(parts)
        self._draft.note(parts, entry)
        if not entry.is_directory:
            self._fill(member)
        self._arrived[parts] = entry

    def _fill(self, member: Member) -> None:
        room = self._draft.room(member.parts)
        room.unlink(missing_ok=True)  # of one path, the last one counts
        if member.same_as is not None:
            place(self._draft.room(member.same_as), room, self._arrived[member.same_as])
        else:
            fill(room, member)

    def _first(self, member: Member) -> Entry:
        """Return the file that a hard link is another name of."""
        assert member.same_as is not None
        first = self._arrived.get(member.same_as)
        if first is None or first.kind is not Kind.FILE or member.same_as == member.parts:
            raise Invalid(
                f"'{show(member.parts)}' is a link to '{show(member.same_as)}', "
                "which is no file that came before it"
            )
        return first

    def _check_company(self, parts: Parts, entry: Entry) -> None:
        """Refuse an archive that has a file and a directory in one place."""
        here = parts in (self._arrived if entry.is_directory else self._rooms)
        if here and not (entry.is_directory and parts in self._rooms):
            raise Invalid(f"'{show(parts)}' is in the archive as a file and as a directory")
        for path in _above(parts):
            if path in self._arrived and not self._arrived[path].is_directory:
                raise Invalid(f"'{show(parts)}': '{show(path)}' is not a directory")
            self._rooms.add(path)
        if entry.is_directory:
            self._rooms.add(parts)

    def _date_parent(self, parts: Parts) -> None:
        """Give the directory of a new name the present time, unless the archive tells its time."""
        while parts and parts[:-1] not in self._dated and self._draft.seen.get(parts) is None:
            parts = parts[:-1]
            self._dated.add(parts)
            self._draft.touch(parts, self._now_ns)


def _check_room(tree: Tree, parts: Parts, entry: Entry) -> None:
    there = tree.get(parts)
    if there is not None and there.is_directory != entry.is_directory:
        was = "a directory" if there.is_directory else "a file"
        raise Invalid(f"'{show(parts)}' is {was} in the Volume, and not in what is to be added")
    for path in _above(parts):
        above = tree.get(path)
        if above is not None and not above.is_directory:
            raise Invalid(f"'{show(parts)}': '{show(path)}' is not a directory")


def _above(parts: Parts) -> Iterable[Parts]:
    return (parts[:depth] for depth in range(1, len(parts)))

"""
Stale reads: something was read at an old version though a newer one was certainly there.

Precisely: a container read a path, asked for it or listed a directory, and saw version *v* of the
volume; a version *w*, newer than *v* and made by somebody else, had changed what was asked for;
and making *w* happens-before the read: whoever read had already learnt, by a call, a result, a
Queue or a Dict, something that came after *w*. Of what is merely concurrent nothing is said. What
the container itself wrote over since it saw *v* is no stale read.

What counts as changed: for a file, that it was written or removed; for a path that was not found,
that it came; for a listing, that a name in it came or went. A question that is part of a writing
on the same line, as `os.makedirs` asks, is none.

A reload must come after the container learnt of *w*. One that began before that proves nothing,
also if it ended after it, and helps only if it happened to see *w*.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from modal_emulator.findings.book import WRITING, Book, View, above, told_where, touched
from modal_emulator.findings.entries import Entry, Version
from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.ground.steps import Kind

__all__ = ["stale_reads"]

_READING = {Kind.READ.value, Kind.LOOK.value, Kind.LIST.value}
_MOST_PATHS = 5


@dataclass(slots=True)
class _Group:
    """Reads of one line of code in one view."""

    read: Entry
    newer: Version
    paths: list[str] = field(default_factory=list)


def stale_reads(book: Book) -> Iterator[Finding]:
    """Return the stale reads, one finding for each line that reads, in each view."""
    newest = {(v.volume_id, v.number) for v in book.story.versions}
    for view in book.views:
        if (view.volume_id, view.version + 1) not in newest:
            continue  # nothing newer ever came
        groups: dict[tuple[str, ...], _Group] = {}
        for entry in view.entries:
            if entry.kind in _READING:
                newer = _newer(book, view, entry)
                if newer is not None and not _is_part(view, entry):
                    key = (*entry.where, "") if entry.where else (entry.path,)
                    group = groups.setdefault(key, _Group(entry, newer))
                    if entry.path not in group.paths:
                        group.paths.append(entry.path)
        for group in groups.values():
            yield _told(book, view, group)


def _is_part(view: View, entry: Entry) -> bool:
    """Say whether a question belongs to a writing of the same line."""
    if entry.kind != Kind.LOOK or not entry.where:
        return False
    return any(
        later.number > entry.number
        and later.kind in WRITING
        and later.where == entry.where
        and any(entry.path in (path, *above(path)) for path in (later.path, later.to))
        for later in view.entries
    )


def _newer(book: Book, view: View, read: Entry) -> Version | None:
    """Return the newest version that the reader should have seen."""
    for one in reversed(list(_changing(book, view, read))):
        if one.number <= view.version or one.entry > read.number or one.lane == view.lane:
            continue
        if book.causes.before(one.entry, read.number):
            return None if _wrote(view, read) else one
    return None


def _changing(book: Book, view: View, read: Entry) -> list[Version]:
    """Return the versions that changed what a read asks for, in order."""
    changes, volume_id, path = book.changes, view.volume_id, read.path
    if read.error:
        return book.comings.get((volume_id, path), [])
    if read.kind == Kind.LIST:
        return book.listings.get((volume_id, path), [])
    gone = (v for p in above(path) for v in changes.get((volume_id, p), ()) if p in v.removed)
    return sorted(
        {v.number: v for v in (*changes.get((volume_id, path), ()), *gone)}.values(),
        key=lambda v: v.number,
    )


def _wrote(view: View, read: Entry) -> bool:
    """Say whether the container saw its own doing there."""
    if read.kind == Kind.LIST:
        return False
    return any(
        entry.number < read.number and entry.kind in WRITING and read.path in touched(entry)
        for entry in view.entries
    )


def _told(book: Book, view: View, group: _Group) -> Finding:
    read, newer = group.read, group.newer
    me, other = book.names[view.lane], book.names[newer.lane]
    if not newer.lane:
        other = "somebody outside"
    learnt = _learnt(book, view, newer)
    names = ", ".join(path or "the top directory" for path in group.paths[:_MOST_PATHS])
    if len(group.paths) > _MOST_PATHS:
        names += " and more"
    text = [
        f"{book.who(view.lane)} saw version {view.version} of '{newer.volume}'; version "
        f"{newer.number}, by {book.who(newer.lane)}, had changed it already.",
        f"read: {told_where(read.where)}" + (f" ({read.error})" if read.error else ""),
        f"version {newer.number}, by {newer.via}: {book.maker(newer)}",
    ]
    if learnt is not None:
        line = f": {told_where(learnt.where)}" if learnt.where else ""
        text.append(f"{me} learnt of it by its {learnt.kind}{line}")
    text.append("A reload() belongs after that, and before the read.")
    return Finding(
        subject=Subject.STALE_READ,
        title=f"{me} read {names} in '{newer.volume}' as it was before {other} changed it",
        text=tuple(text),
        objects=(newer.volume,),
        paths=tuple(group.paths),
        containers=tuple(lane for lane in (view.lane, newer.lane) if lane),
        functions=tuple(
            dict.fromkeys(book.lanes[lane].function for lane in (view.lane, newer.lane) if lane)
        ),
        entries=tuple(sorted({newer.entry, *((learnt.number,) if learnt else ()), read.number})),
    )


def _learnt(book: Book, view: View, newer: Version) -> Entry | None:
    """Return the step by which the container came to know of a version; a reload belongs there."""
    for entry in book.of_lane[view.lane]:
        if entry.number > view.began and book.causes.before(newer.entry, entry.number):
            return entry
    return None

"""
Uncommitted at exit: what a container wrote went with it.

Precisely: a container is gone, and what it had changed in a volume was in no version: it crashed
or was killed, or its commit on the way out failed. What the platform committed in its place, as it
was seen to do for volumes of version 2, is none.
"""

from collections.abc import Iterator

from modal_emulator.findings.book import WRITING, Book, told_where, touched
from modal_emulator.findings.entries import Beside
from modal_emulator.findings.finding import Finding, Subject

__all__ = ["uncommitted"]

_MOST_PATHS = 5


def uncommitted(book: Book) -> Iterator[Finding]:
    """Return what went with containers, one finding for each volume of each."""
    for entry in book.entries:
        if entry.kind != Beside.LOST or not entry.paths:
            continue
        lane = book.lanes[entry.lane]
        me, gone = book.names[entry.lane], set(entry.paths)
        view = book.view_of.get(entry.number)
        writes = [
            one
            for one in (view.entries if view else ())
            if one.kind in WRITING and not gone.isdisjoint(touched(one))
        ]
        names = ", ".join(entry.paths[:_MOST_PATHS])
        if len(entry.paths) > _MOST_PATHS:
            names += f" and {len(entry.paths) - _MOST_PATHS} more"
        how = lane.how or "its end"
        text = [f"{book.who(entry.lane)} ended ({how}) before these changes were in a version."]
        if writes:
            text.append(f"written last: {told_where(writes[-1].where)}")
        text.append(
            "commit() after what must not be lost; nothing else is certain to be done in time."
        )
        yield Finding(
            subject=Subject.UNCOMMITTED,
            title=f"{names} of '{entry.object}' went with {me}, uncommitted",
            text=tuple(text),
            objects=(entry.object,),
            paths=entry.paths,
            containers=(entry.lane,),
            functions=(lane.function,),
            entries=(*((writes[-1].number,) if writes else ()), entry.number),
        )

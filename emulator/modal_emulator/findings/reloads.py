"""
Reloads that can never succeed: refused for open files, and never granted afterwards.

Precisely: a container's reload was refused because something in it held the volume, it was not
granted in the rest of this container's life, and if it was tried again it was refused again.
Who opened what and where is told if it was seen: an open without a close.
"""

from collections.abc import Iterator

from modal_emulator.findings.book import Book, told_where
from modal_emulator.findings.entries import Entry
from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.ground.steps import Kind

__all__ = ["blocked_reloads"]

OPEN_FILES = "there are open files preventing the operation"
"""What Modal says, EXACT (modal-semantics 1.4)."""


def blocked_reloads(book: Book) -> Iterator[Finding]:
    """Return the last reloads of containers, where they were refused, with what held the volume."""
    for view in book.views:
        if not view.lane:
            continue
        reloads = [entry for entry in view.entries if entry.kind == Kind.RELOAD]
        if not reloads or not all(OPEN_FILES in entry.error for entry in reloads):
            continue
        last = reloads[-1]
        stops = (entry.number for entry in book.of_lane[view.lane] if entry.kind == Kind.STOP)
        holders = _open(view.entries, last.number, next(stops, len(book.entries)))
        if not holders and len(reloads) < 2:
            continue  # nobody is seen to hold it for longer than this one try
        me, volume = book.names[view.lane], last.object
        text = [
            f"{book.who(view.lane)} tried {_times(len(reloads))}, and stays on version "
            f"{view.version}.",
            f"refused: {told_where(last.where)}",
        ]
        text += [f"{one.path} is open since {told_where(one.where)}" for one in holders]
        text.append("Close it before the reload, or keep it outside of the volume.")
        yield Finding(
            subject=Subject.BLOCKED_RELOAD,
            title=f"{me} can never reload '{volume}'"
            + (f": {holders[0].path} stays open" if holders else ""),
            text=tuple(text),
            objects=(volume,),
            paths=tuple(dict.fromkeys(one.path for one in holders)),
            containers=(view.lane,),
            functions=(book.lanes[view.lane].function,),
            entries=tuple(sorted({*(one.number for one in holders), last.number})),
        )


def _open(entries: tuple[Entry, ...], upto: int, stop: int) -> list[Entry]:
    """Return the opens of files before an entry that were closed only by the container's end."""
    opened: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.error:
            continue
        if entry.kind in (Kind.READ, Kind.WRITE) and entry.number < upto:
            opened.setdefault(entry.path, []).append(entry)
        elif entry.kind == Kind.CLOSE and entry.number < stop and opened.get(entry.path):
            opened[entry.path].pop()
    return [one for group in opened.values() for one in group]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

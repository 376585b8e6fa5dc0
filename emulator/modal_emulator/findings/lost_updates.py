"""
Lost updates: a commit undid what another one had done, since the version that its maker had read.

Precisely: version *w*, made by container *A* that looked at version *base*, replaced or removed a
path that a version *u* of somebody else had changed, with *base* < *u* < *w*; and *A* had read the
path at *base* before it wrote it: opened it for reading, opened it for writing without emptying it,
or, on another line than the write, listed its directory or asked whether it is there. What *w*
holds there differs from what *u* held. So what *u* wrote is gone, though *A* meant to add to what
it had read.

Where nothing was read before, it is `overwritten unseen`: perhaps the last writer was meant to win.
Where not even the write was seen, because a C library or a program did it, or in a container of
Docker, nobody can tell; then it is told as a lost update, with "perhaps".

The order in which *u* and *w* happened does not matter: each order loses one of the two.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modal_emulator.findings.book import Book, Copy, View, above, told_where
from modal_emulator.findings.entries import Entry, Version
from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.ground.steps import Kind

__all__ = ["lost_updates"]

_MOST_LINES = 12
_LONGEST = 100
_MOST_PATHS = 5
_ADVICE = (
    "Both must not work on the file at once: let one container do it, give each writer a file of",
    "its own, or reload, read, write and commit under a lock that all of them take.",
)


@dataclass(frozen=True, slots=True)
class _Loss:
    path: str
    read: Entry | None
    write: Entry | None
    gone: tuple[str, ...]


def lost_updates(book: Book) -> Iterator[Finding]:
    """Return what was undone, one finding for two versions and how it happened."""
    for undoing in book.story.versions:
        if not undoing.lane:
            continue
        groups: dict[tuple[int, bool, bool], list[_Loss]] = {}
        for path, undone in _undone(book, undoing):
            loss = _loss(book, undoing, undone, path)
            if loss is not None:
                key = (undone.number, loss.read is not None, loss.write is not None)
                groups.setdefault(key, []).append(loss)
        for (number, _, _), losses in groups.items():
            yield _told(book, undoing, book.versions[undoing.volume_id, number], losses)


def _undone(book: Book, undoing: Version) -> Iterator[tuple[str, Version]]:
    """Return paths and who had changed them since what the maker looked at, the newest of each."""
    for path in undoing.changed:
        for one in reversed(book.changes.get((undoing.volume_id, path), ())):
            if one.number <= undoing.base:
                break
            if one.number < undoing.number:
                if one.lane != undoing.lane:
                    yield path, one
                break  # what is older was undone by this one
    for number in range(undoing.base + 1, undoing.number) if undoing.removed else ():
        one = book.versions.get((undoing.volume_id, number), undoing)
        if one.lane != undoing.lane:
            yield from (
                (p, one) for p in one.paths if not set(undoing.removed).isdisjoint(above(p))
            )


def _loss(book: Book, undoing: Version, undone: Version, path: str) -> _Loss | None:
    view = _view(book, undoing)
    if view is None:
        return None
    before, after = (book.copy(undoing.volume_id, v.number, path) for v in (undone, undoing))
    if before is not None and after is not None:
        if not before.is_file and not after.is_file:
            return None
        if _is_same(before, after):
            return None
    write = next(
        (w for p in (path, *above(path)) if p and (w := view.wrote(p, undoing.entry))), None
    )
    read = _read(view, path, write) if write is not None else None
    return _Loss(path, read, write, _gone(before, after))


def _view(book: Book, version: Version) -> View | None:
    """Return the view in which a version was made."""
    entry = book.entries[version.entry]
    return book.view_of.get(entry.number)


def _read(view: View, path: str, write: Entry) -> Entry | None:
    """Return the entry by which the container knew what it then wrote over."""
    if write.keeps:
        return write
    directory = next(above(path), "")
    for entry in view.entries:
        if entry.number > write.number:
            return None
        if entry.path == path and (entry.kind == Kind.READ or entry.keeps):
            return entry
        elsewhere = entry.where[-1:] != write.where[-1:]
        if entry.kind == Kind.LOOK and entry.path == path and elsewhere:
            return entry
        if entry.kind == Kind.LIST and entry.path == directory and elsewhere:
            return entry
    return None


def _is_same(before: Copy, after: Copy) -> bool:
    return before.size == after.size and before.data is not None and before.data == after.data


def _gone(before: Copy | None, after: Copy | None) -> tuple[str, ...]:
    """Say what was lost: how many bytes, and of small texts which lines."""
    if before is None or not before.is_file:
        return ()
    size = f"{before.size} bytes were replaced"
    if after is not None:
        size += f" by {after.size}" if after.is_file else " by nothing"
    lines = [size]
    if before.data is not None and before.is_shown and (after is None or after.is_shown):
        lines += _difference(before.data, after.data or b"" if after else b"")
    return tuple(lines)


def _difference(before: bytes, after: bytes) -> Sequence[str]:
    if b"\0" in before + after:
        return ()
    try:
        old, new = before.decode().splitlines(), after.decode().splitlines()
    except UnicodeDecodeError:
        return ()
    lines = list(difflib.unified_diff(old, new, "lost", "kept", n=1, lineterm=""))
    return [_short(line) for line in lines[:_MOST_LINES]] + ["..."] * (len(lines) > _MOST_LINES)


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _told(book: Book, undoing: Version, undone: Version, losses: list[_Loss]) -> Finding:
    first = losses[0]
    unseen = first.write is None
    subject = Subject.LOST_UPDATE if unseen or first.read else Subject.OVERWRITTEN
    paths = [loss.path for loss in losses]
    names = ", ".join(paths[:_MOST_PATHS]) + (" and more" if len(paths) > _MOST_PATHS else "")
    one, other = book.names[undoing.lane], book.names[undone.lane]
    perhaps = "perhaps " if unseen else ""
    title = f"{one} {perhaps}undid what {other} had written to {names} in '{undoing.volume}'"
    text = [
        f"Version {undoing.number} by {book.who(undoing.lane)}, made on version {undoing.base}, "
        f"replaced what version {undone.number} by {book.who(undone.lane)} had brought.",
    ]
    if first.read is not None:
        text.append(f"read at version {undoing.base}: {told_where(first.read.where)}")
    if first.write is not None:
        text.append(f"written: {told_where(first.write.where)}")
    if unseen:
        text.append("How it was written, and whether it was read before, could not be seen.")
    text.append(f"published by {undoing.via}: {book.maker(undoing)}")
    text.append(f"the other, by {undone.via}: {book.maker(undone)}")
    for loss in losses[:_MOST_PATHS]:
        if loss.gone:
            text += [f"{loss.path}: {loss.gone[0]}", *(f"  {line}" for line in loss.gone[1:])]
    steps = [e.number for e in (first.read, first.write) if e is not None]
    lanes = tuple(lane for lane in (undoing.lane, undone.lane) if lane)
    return Finding(
        subject=subject,
        title=title,
        text=(*text, *_ADVICE),
        objects=(undoing.volume,),
        paths=tuple(paths),
        containers=lanes,
        functions=tuple(dict.fromkeys(book.lanes[lane].function for lane in lanes)),
        entries=tuple(sorted({*steps, undone.entry, undoing.entry})),
    )

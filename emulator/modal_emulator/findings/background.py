"""
Saved only by a background commit: a call's writes were published by nobody's will.

Precisely: a container wrote paths while it worked on an input and gave its output; the first
version that held them came later than the output or before it, but by a background commit or the
one at the container's exit, and by no `commit()` or `reload()` of user code. Until then the caller
could have had the result without the files.

Many programs mean it so: Modal promises that commit, and their callers read no files. So this is
off unless it is asked for.
"""

from collections.abc import Iterator

from modal_emulator.findings.book import Book, told_where
from modal_emulator.findings.entries import Entry, Version
from modal_emulator.findings.finding import Finding, Subject

__all__ = ["saved_in_background"]

_OF_ITSELF = frozenset({"background", "exit", "kill"})
_MOST_PATHS = 5


def saved_in_background(book: Book) -> Iterator[Finding]:
    """Return what only such commits published, one finding for each of them."""
    outputs = {
        (entry.lane, entry.call_id): entry
        for entry in book.entries
        if entry.kind == "output" and entry.call_id
    }
    for version in book.story.versions:
        if version.via not in _OF_ITSELF:
            continue
        writes = []
        for path in version.paths:
            write = _write(book, version, path)
            if write is not None and (write.lane, write.call_id) in outputs:
                writes.append((path, write))
        if writes:
            yield _told(book, version, writes)


def _write(book: Book, version: Version, path: str) -> Entry | None:
    view = book.view_of.get(version.entry)
    return view.wrote(path, version.entry) if view is not None else None


def _told(book: Book, version: Version, writes: list[tuple[str, Entry]]) -> Finding:
    me = book.names[version.lane]
    paths = tuple(path for path, _ in writes)
    names = ", ".join(paths[:_MOST_PATHS])
    if len(paths) > _MOST_PATHS:
        names += f" and {len(paths) - _MOST_PATHS} more"
    how = "its exit" if version.via == "exit" else f"a {version.via} commit"
    return Finding(
        subject=Subject.BACKGROUND,
        title=f"{names} of '{version.volume}', written by {me}, was saved only by {how}",
        text=(
            f"written: {told_where(writes[-1][1].where)}",
            f"version {version.number} by {book.who(version.lane)}, via {version.via}",
            "commit() before the function returns, if who gets its result is to find the files.",
        ),
        objects=(version.volume,),
        paths=paths,
        containers=(version.lane,),
        functions=(book.lanes[version.lane].function,),
        entries=tuple(sorted({writes[-1][1].number, version.entry})),
    )

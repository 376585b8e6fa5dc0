"""
Volumes used for temporary files: made and removed again by the same container.

Precisely: a container made at least five files in a volume that were new there, and removed each
again in the same view, without having renamed anything into or out of it; or it made as many
whose names are those of Python's `tempfile`. Each background commit in between uploads them, each
removal is a change, and on Modal both cost time; `/tmp` does not.
"""

import re
from collections.abc import Iterator

from modal_emulator.findings.book import Book, View, told_where
from modal_emulator.findings.entries import Entry
from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.ground.steps import Kind

__all__ = ["FEWEST", "temporary_files"]

FEWEST = 5
_MOST_PATHS = 3
_TEMPFILE = re.compile(r"tmp[a-z0-9_]{8}")


def temporary_files(book: Book) -> Iterator[Finding]:
    """Return the views of containers in which there are enough such files."""
    for view in book.views:
        made = _made_and_removed(view)
        if len(made) >= FEWEST:
            yield _told(book, view, made)


def _made_and_removed(view: View) -> dict[str, Entry]:
    """Return by path the openings of files that did not last."""
    opened: dict[str, Entry] = {}
    known: set[str] = set()
    gone: dict[str, Entry] = {}
    for entry in view.entries:
        if entry.kind == Kind.RENAME:
            # A file that gets its name at the end is no temporary one, wherever it was written.
            for path in (entry.path, entry.to):
                opened.pop(path, None)
                gone.pop(path, None)
                known.add(path)
        elif entry.error:
            continue
        elif entry.kind == Kind.READ and entry.path not in opened:
            known.add(entry.path)
        elif entry.kind == Kind.WRITE and entry.path not in known and not entry.keeps:
            opened.setdefault(entry.path, entry)
            if _TEMPFILE.fullmatch(entry.path.rpartition("/")[2]):
                gone[entry.path] = entry
        elif entry.kind == Kind.REMOVE and entry.path in opened:
            gone[entry.path] = opened.pop(entry.path)
    return gone


def _told(book: Book, view: View, made: dict[str, Entry]) -> Finding:
    last = next(reversed(made.values()))
    me, paths = book.names[view.lane], tuple(made)
    names = ", ".join(paths[:_MOST_PATHS]) + (", …" if len(paths) > _MOST_PATHS else "")
    return Finding(
        subject=Subject.TEMPORARY,
        title=f"{me} made {len(paths)} temporary files in '{last.object}': {names}",
        text=(
            f"made: {told_where(last.where)}",
            "Write them to /tmp, and only what is to stay to the volume.",
        ),
        objects=(last.object,),
        paths=paths,
        containers=(view.lane,),
        functions=(book.lanes[view.lane].function,),
        entries=(last.number,),
    )

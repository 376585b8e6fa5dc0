"""
Looks for everything that can be found in a story.

Each subject has a room of its own, with its definition in front; `SEARCHES` is all there is.
"""

from collections.abc import Callable, Iterator

from modal_emulator.findings.background import saved_in_background
from modal_emulator.findings.book import Book, Contents
from modal_emulator.findings.endings import uncommitted
from modal_emulator.findings.entries import Story
from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.findings.lost_updates import lost_updates
from modal_emulator.findings.reloads import blocked_reloads
from modal_emulator.findings.stale_reads import stale_reads
from modal_emulator.findings.temporaries import temporary_files
from modal_emulator.findings.torn import torn_publishes

__all__ = ["search"]

Search = Callable[[Book], Iterator[Finding]]

SEARCHES: tuple[Search, ...] = (
    lost_updates,
    stale_reads,
    uncommitted,
    saved_in_background,
    blocked_reloads,
    temporary_files,
    torn_publishes,
)


def search(story: Story, contents: Contents | None = None) -> tuple[Finding, ...]:
    """Return what is found in a story, in the order of where it went wrong."""
    book = Book(story, contents)
    found = [*_reported(story), *(one for look in SEARCHES for one in look(book))]
    return tuple(sorted(found, key=lambda one: one.entries[-1:] or (0,)))


def _reported(story: Story) -> Iterator[Finding]:
    """Return what others found while it happened."""
    names = {subject.value: subject for subject in Subject}
    for report in story.reported:
        if (subject := names.get(report.subject)) is None:
            continue
        lane = story.lane(report.container_id)
        yield Finding(
            subject=subject,
            title=report.title,
            text=tuple(report.text.splitlines()),
            objects=(report.object,) if report.object else (),
            paths=(report.path,) if report.path else (),
            containers=(lane.container_id,) if lane.container_id else (),
            functions=(lane.function,) if lane.function else (),
            entries=(report.entry,),
        )

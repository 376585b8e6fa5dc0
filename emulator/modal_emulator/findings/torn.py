"""
Torn publishes: a background commit split what belonged together, and somebody saw one half.

Precisely: in one input, a container wrote some paths, a background commit published them as
version *v*, and later writes of the same input to other paths were published by an explicit
commit as version *w*. Somebody else, who saw *v* or a version before *w*, read a path of the first
group and a path of the second, or found the second missing. So it could see the one without the
other, though the explicit commit was to publish both at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from modal_emulator.findings.book import WRITING, Book, View, told_where, touched
from modal_emulator.findings.entries import Entry, Version
from modal_emulator.findings.finding import Finding, Subject
from modal_emulator.ground.steps import Kind

__all__ = ["torn_publishes"]

_EXPLICIT = frozenset({"commit", "sync", "reload"})
_READING = frozenset({Kind.READ.value, Kind.LOOK.value, Kind.LIST.value})


@dataclass(frozen=True, slots=True)
class _Tear:
    first: Version
    second: Version
    early: frozenset[str]
    late: frozenset[str]
    """Paths whose last write of that input came after the first version."""


def torn_publishes(book: Book) -> Iterator[Finding]:
    """Return what somebody saw one half of."""
    for tear in _tears(book):
        for view in book.views:
            between = tear.first.number <= view.version < tear.second.number
            if view.volume_id != tear.first.volume_id or not between:
                continue
            if view.lane == tear.first.lane:
                continue
            pair = _seen(view, tear)
            if pair is not None:
                yield _told(book, tear, view, *pair)
                break


def _tears(book: Book) -> Iterator[_Tear]:
    following: dict[tuple[str, str], Version] = {}
    for version in reversed(book.story.versions):
        key = (version.volume_id, version.lane)
        if version.via in _EXPLICIT:
            following[key] = version
        elif version.via == "background" and key in following:
            tear = _tear(book, version, following[key])
            if tear is not None:
                yield tear


def _tear(book: Book, first: Version, second: Version) -> _Tear | None:
    """Return what an input wrote before and after a background commit, if it did both."""
    view = book.view_of.get(first.entry)
    if view is None or book.view_of.get(second.entry) is not view:
        return None
    early: set[str] = set()
    late: set[str] = set()
    call = book.entries[second.entry].call_id
    for entry in view.entries:
        if not call or entry.call_id != call or entry.kind not in WRITING:
            continue
        if entry.number < first.entry:
            early.update(touched(entry))
        elif entry.number < second.entry:
            late.update(touched(entry))
    early &= set(first.changed)
    late &= set(second.changed)
    if not early - late or not late - early:
        return None
    return _Tear(first, second, frozenset(early - late), frozenset(late - early))


def _seen(view: View, tear: _Tear) -> tuple[Entry, Entry] | None:
    """Return the reads of both groups in one view, if they are there."""
    early = late = None
    for entry in view.entries:
        if entry.kind in _READING:
            if entry.path in tear.early and not entry.error:
                early = early or entry
            if entry.path in tear.late:
                late = late or entry
    return (early, late) if early is not None and late is not None else None


def _told(book: Book, tear: _Tear, view: View, early: Entry, late: Entry) -> Finding:
    first, second = tear.first, tear.second
    writer, reader = book.names[first.lane], book.names[view.lane]
    state = "missing" if late.error else "old"
    return Finding(
        subject=Subject.TORN,
        title=f"{reader} saw {early.path} of '{first.volume}' with {late.path} {state}, which "
        f"{writer} was to publish at once",
        text=(
            f"Version {first.number}, a background commit, came in between the writes of "
            f"{book.who(first.lane)}; version {second.number} published the rest.",
            f"published: {told_where(book.entries[second.entry].where)}",
            f"read: {told_where(early.where)}",
            f"and: {told_where(late.where)}",
            "Write what points to the rest last, or all to one file that is renamed at the end.",
        ),
        objects=(first.volume,),
        paths=tuple(sorted(tear.early | tear.late)),
        containers=(first.lane, view.lane),
        functions=tuple(
            dict.fromkeys(book.lanes[lane].function for lane in (first.lane, view.lane))
        ),
        entries=tuple(sorted({first.entry, second.entry, early.number, late.number})),
    )

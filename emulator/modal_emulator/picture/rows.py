"""Which entries of a story stand in which row of a picture, and which are told in one together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modal_emulator.findings.entries import Beside, Entry, Story
from modal_emulator.findings.finding import Finding
from modal_emulator.ground.steps import Kind

__all__ = ["Row", "rows_of"]

FEW = 24
"""So many entries are all shown."""
RUN = 3
"""So many in a row that tell little are told together; where there is little room, two are."""

_MOVES_VERSIONS = frozenset(
    {
        Kind.COMMIT.value,
        Kind.RELOAD.value,
        Kind.BACKGROUND_COMMIT.value,
        Kind.EXIT_COMMIT.value,
        Beside.MOUNT.value,
        Beside.UPLOAD.value,
        Beside.KEPT.value,
        Beside.LOST.value,
        Beside.FAULT.value,
        Beside.FINDING.value,
    }
)
_CHANGES = frozenset(
    {
        Kind.WRITE.value,
        Kind.MAKE.value,
        Kind.RENAME.value,
        Kind.REMOVE.value,
        Kind.CHANGE.value,
        Kind.DICT_READ.value,
        Kind.DICT_WRITE.value,
        Kind.QUEUE_PUT.value,
        Kind.QUEUE_GET.value,
    }
)
MARKED = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One entry, or several that are told together."""

    entries: tuple[Entry, ...]
    marks: tuple[int, ...] = ()
    """The numbers of the findings that it has a part in, from 1."""

    @property
    def only(self) -> Entry | None:
        """The entry, if it stands alone."""
        return self.entries[0] if len(self.entries) == 1 else None


def rows_of(story: Story, findings: Sequence[Finding], most: int = 0) -> list[Row]:
    """
    Return the rows of a picture, the first one first.

    With `most`, no more rows than that if the findings allow it: then of what is not marked less
    and less is shown by itself.
    """
    marks = {entry.number: _marks(entry, findings) for entry in story.entries}
    silent = _goes_without_saying(story)
    entries = [e for e in story.entries if e.number not in silent or marks[e.number] or e.error]
    if len(entries) <= (most or FEW):
        return [Row((entry,), marks[entry.number]) for entry in entries]
    tells = {entry.number: _tells(entry, findings) for entry in entries}
    rows: list[Row] = []
    for least in range(2, MARKED + 1 if findings else 4):
        shown = [number for number, how_much in tells.items() if how_much >= least]
        rows = list(_gathered(entries, marks, set(shown), 2 if most else RUN))
        if len(rows) <= (most or len(rows)):
            return rows
    if findings:
        return rows
    earlier = [entry for row in rows[:-most] for entry in row.entries]
    return [*_told(earlier, 1), *rows[-most:]]


def _goes_without_saying(story: Story) -> set[int]:
    """Return the numbers of what always comes with something else that is shown."""
    silent, started, last = set(), set(), dict[str, str]()
    for entry in story.entries:
        if entry.kind == Beside.MOUNT.value:
            started.add(entry.lane)
        first = last.get(entry.lane) in (Kind.START.value, Beside.MOUNT.value)
        if (
            entry.kind in (Kind.RESULT.value, Kind.CLOSE.value, Kind.STOP.value)
            or (entry.kind == Kind.EXIT_COMMIT.value and not entry.made)
            or (entry.kind == Kind.START.value and entry.lane in started)
            or (entry.kind == Kind.INPUT.value and first)
        ):
            silent.add(entry.number)
        last[entry.lane] = entry.kind
    return silent


def _tells(entry: Entry, findings: Sequence[Finding]) -> int:
    """Return how much an entry tells, from 0 to that it is marked."""
    if _marks(entry, findings):
        return MARKED
    paths = {path for finding in findings for path in finding.paths}
    objects = {name for finding in findings for name in finding.objects}
    moves = entry.kind in _MOVES_VERSIONS or bool(entry.error)
    if not paths.isdisjoint((entry.path, entry.to)) or (moves and entry.object in objects):
        return 4
    return 3 if moves else 2 if entry.kind in _CHANGES else 1


def _marks(entry: Entry, findings: Sequence[Finding]) -> tuple[int, ...]:
    return tuple(n for n, each in enumerate(findings, 1) if entry.number in each.entries)


def _gathered(
    entries: Sequence[Entry], marks: dict[int, tuple[int, ...]], shown: set[int], least: int
) -> Iterator[Row]:
    run: list[Entry] = []
    for entry in entries:
        if entry.number not in shown:
            run.append(entry)
            continue
        yield from _told(run, least)
        run = []
        yield Row((entry,), marks[entry.number])
    yield from _told(run, least)


def _told(run: list[Entry], least: int) -> Iterator[Row]:
    if len(run) >= least:
        yield Row(tuple(run))
    else:
        yield from (Row((entry,)) for entry in run)

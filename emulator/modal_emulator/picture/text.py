"""A run as some lines for a terminal, drawn as `git log --graph` draws a history."""

from collections.abc import Iterator, Sequence
from string import ascii_uppercase

from modal_emulator.findings.entries import Entry, Story
from modal_emulator.findings.finding import Finding
from modal_emulator.picture.rows import Row, rows_of
from modal_emulator.picture.words import below, clipped, said, seen, title, where

__all__ = ["draw_text"]

MOST = 32
"""Rows; with what stands above them it is a screen of forty lines."""
WIDE = 64
"""Characters of what is said, before the line of user code."""


def draw_text(story: Story, findings: Sequence[Finding] = (), most: int = MOST) -> str:
    """Return a line for each step, in order, with a column for each container."""
    rows = rows_of(story, findings, most)
    lanes = [
        lane
        for lane in story.lanes
        if any(entry.lane == lane.container_id for row in rows for entry in row.entries)
    ]
    letters = {lane.container_id: _letter(n) for n, lane in enumerate(lanes)}
    lines = [
        f"  {letters[lane.container_id]} = {title(lane, story)}"
        + (f" ({lane.container_id})" if lane.container_id else "")
        for lane in lanes
    ]
    last = {entry.lane: n for n, row in enumerate(rows) for entry in row.entries}
    first = {entry.lane: n for n, row in reversed([*enumerate(rows)]) for entry in row.entries}
    for number, row in enumerate(rows):
        graph = " ".join(
            "*"
            if any(entry.lane == lane.container_id for entry in row.entries)
            else "|"
            if first[lane.container_id] < number < last[lane.container_id]
            else " "
            for lane in lanes
        )
        lines += [f"{'!' if row.marks else ' '} {graph}  {text}" for text in _row(row, letters)]
    return "\n".join(line.rstrip() for line in lines)


def _letter(number: int) -> str:
    return ascii_uppercase[number] if number < len(ascii_uppercase) else str(number)


def _row(row: Row, letters: dict[str, str]) -> Iterator[str]:
    if row.only is None:
        yield f"({len(row.entries)} steps: {clipped(below(row.entries), WIDE)})"
    else:
        what = clipped(_said(row.only, letters), WIDE)
        line = where(row.only)
        yield f"{what:<{WIDE}}  {line}" if line else what


def _said(entry: Entry, letters: dict[str, str]) -> str:
    outcome = seen(entry)
    return f"{letters[entry.lane]} {said(entry)}" + (f": {outcome}" if outcome else "")

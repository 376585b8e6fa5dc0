"""A run as some lines for a terminal, drawn as `git log --graph` draws a history."""

from collections.abc import Sequence
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
    """
    Return a line for each step, in order, with a column for each container.

    Of many findings the first are drawn that there is room for.
    """
    rows = rows_of(story, findings, most)
    while len(rows) > most and len(findings) > 1:
        findings = findings[:-1]
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
    said_of = [_row(row, letters) for row in rows]
    width = max((len(what) for what, line in said_of if line), default=0)
    for number, (row, (what, line)) in enumerate(zip(rows, said_of, strict=True)):
        graph = " ".join(_sign(rows, number, lane.container_id) for lane in lanes)
        text = f"{'!' if row.marks else ' '} {graph}  {what:<{width}}  {line}"
        lines.append(text.rstrip())
    return "\n".join(lines)


def _sign(rows: Sequence[Row], number: int, lane: str) -> str:
    """Return what stands in a lane's column: a step, a line between two, or nothing."""
    places = [n for n, row in enumerate(rows) for entry in row.entries if entry.lane == lane]
    if number in places:
        return "*"
    return "|" if places[0] < number < places[-1] else " "


def _letter(number: int) -> str:
    return ascii_uppercase[number] if number < len(ascii_uppercase) else str(number)


def _row(row: Row, letters: dict[str, str]) -> tuple[str, str]:
    """Return what was done, and the line of user code."""
    if row.only is None:
        return f"({len(row.entries)} steps: {clipped(below(row.entries), WIDE)})", ""
    return clipped(_said(row.only, letters), WIDE), where(row.only)


def _said(entry: Entry, letters: dict[str, str]) -> str:
    outcome = seen(entry)
    return f"{letters[entry.lane]} {said(entry)}" + (f": {outcome}" if outcome else "")

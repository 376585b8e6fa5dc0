"""Where everything stands in a drawing: columns for lanes and volumes, a row for each step."""

from collections.abc import Sequence
from dataclasses import dataclass

from modal_emulator.findings.entries import Story
from modal_emulator.picture.rows import Row
from modal_emulator.picture.words import below, clipped, said, seen, where

__all__ = ["HEAD", "Column", "Layout", "laid_out", "shown_text"]

HEAD = 58
"""Above the first row: who each column is."""
TALL, LOW = 42, 30
"""A row with a line of code below it, and one without."""
LEFT = 52
"""Of the first column: the numbers."""
LETTER = 6.6
"""The width of one, about, in the drawing's small writing."""
NARROW, WIDE = 120.0, 250.0
VOLUME = 130.0
LONGEST = 34


@dataclass(frozen=True, slots=True)
class Column:
    """A lane or a volume: its line stands at `x`, its writing goes on to `right`."""

    key: str
    x: float
    right: float


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing's measures."""

    volumes: tuple[Column, ...]
    lanes: tuple[Column, ...]
    rows: tuple[Row, ...]
    tops: tuple[float, ...]
    """Of the rows, and where the last one ends."""

    @property
    def width(self) -> float:
        """The whole drawing's."""
        return max((column.right for column in (*self.volumes, *self.lanes)), default=300) + 10

    @property
    def height(self) -> float:
        """The whole drawing's."""
        return self.tops[-1] + 16

    def y(self, row: int) -> float:
        """Return where the line of a row is."""
        return self.tops[row] + 18

    def lane(self, key: str) -> Column:
        """Return the column of a lane."""
        return next(column for column in self.lanes if column.key == key)

    def volume(self, key: str) -> Column | None:
        """Return the column of a volume, if it has one."""
        return next((column for column in self.volumes if column.key == key), None)


def laid_out(story: Story, rows: Sequence[Row]) -> Layout:
    """Measure a drawing of these rows."""
    x, volumes, lanes, tops = float(LEFT), [], [], [float(HEAD)]
    named = {entry.object_id for row in rows for entry in row.entries}
    for volume_id in dict.fromkeys(version.volume_id for version in story.versions):
        if volume_id in named:
            volumes.append(Column(volume_id, x + 20, x + VOLUME))
            x += VOLUME
    shown = {entry.lane for row in rows for entry in row.entries}
    for lane in story.lanes:
        if lane.container_id in shown:
            texts = [text for row in rows for text in shown_text(row, lane.container_id)]
            width = min(WIDE, max(NARROW, max(map(len, texts)) * LETTER + 26))
            lanes.append(Column(lane.container_id, x + 8, x + width))
            x += width + 8
    for row in rows:
        below = any(shown_text(row, entry.lane)[1] for entry in row.entries)
        tops.append(tops[-1] + (TALL if below or row.marks or row.entries[0].made else LOW))
    return Layout(tuple(volumes), tuple(lanes), tuple(rows), tuple(tops))


def shown_text(row: Row, lane: str) -> tuple[str, str]:
    """Return the two lines that stand in a lane in this row: what it does, and from where."""
    mine = [entry for entry in row.entries if entry.lane == lane]
    if not mine:
        return "", ""
    if row.only is None:
        return clipped(below(mine), LONGEST), ""
    outcome = seen(row.only)
    if row.only.made:
        outcome = f"from v{row.only.version}"
    what = said(row.only) + (f": {outcome}" if outcome else "")
    return clipped(what, LONGEST), clipped(where(row.only), LONGEST)

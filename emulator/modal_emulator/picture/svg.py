"""
The drawing: a line for each container, a line for each volume, arrows for versions.

What goes into a volume points to the version that it makes; what a container gets to see points
back. Each row is one step, whatever time passed between two. It is SVG without a script, and its
colours follow the reader's light or dark.
"""

from collections.abc import Iterator, Sequence

from modal_emulator.findings.entries import Beside, Entry, Story, Version
from modal_emulator.findings.finding import Finding
from modal_emulator.ground.steps import Kind
from modal_emulator.picture.layout import HEAD, Column, Layout, laid_out, shown_text
from modal_emulator.picture.markup import Element, element, written
from modal_emulator.picture.rows import Row, rows_of
from modal_emulator.picture.words import clipped, listed, plain, said, seen, title

__all__ = ["STYLE", "draw_svg", "drawing"]

STYLE = """
svg.story { --ink: #1f2328; --dim: #6b7280; --line: #c3cad3; --page: #ffffff; --box: #eef2f7;
  --good: #0b6bcb; --bad: #c62828; --badly: #fdeaea; font: 12px ui-sans-serif, system-ui,
  "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { svg.story { --ink: #e6e9ee; --dim: #9aa4b2; --line: #47505d;
  --page: #14181d; --box: #252c36; --good: #6db3ff; --bad: #ff7b7b; --badly: #3a1f23; } }
svg.story text { fill: var(--ink); }
svg.story .dim { fill: var(--dim); font-size: 10.5px; }
svg.story .who { font-weight: 600; font-size: 13px; }
svg.story .page { fill: var(--page); }
svg.story .line { stroke: var(--line); stroke-width: 2; }
svg.story .ended { stroke: var(--line); stroke-width: 2; }
svg.story .dot { fill: var(--ink); }
svg.story .many { fill: var(--page); stroke: var(--ink); stroke-width: 1.5; }
svg.story .arrow { stroke: var(--good); stroke-width: 1.5; fill: none; }
svg.story .tip { fill: var(--good); }
svg.story .version { fill: var(--box); stroke: var(--good); stroke-width: 1.5; }
svg.story .bad .band { fill: var(--badly); }
svg.story .bad .dot, svg.story .bad .tip { fill: var(--bad); }
svg.story .bad .arrow, svg.story .bad .version { stroke: var(--bad); }
svg.story .bad .mark { fill: var(--bad); font-weight: 700; }
"""

SEES = frozenset({Kind.RELOAD.value, Beside.MOUNT.value})


def draw_svg(story: Story, findings: Sequence[Finding] = (), most: int = 0) -> str:
    """Return the drawing as a file of its own."""
    svg = drawing(story, findings, most)
    svg.insert(0, element("style", STYLE.replace("\n", " ")))
    return written(svg) + "\n"


def drawing(story: Story, findings: Sequence[Finding], most: int = 0) -> Element:
    """Return the drawing, without its style."""
    layout = laid_out(story, rows_of(story, findings, most))
    return element(
        "svg",
        element("rect", class_="page", width=layout.width, height=layout.height),
        *_bands(layout),
        *_lanes(layout, story),
        *_volumes(layout, story),
        *(
            _row(layout, number, row, {v.entry: v for v in story.versions})
            for number, row in enumerate(layout.rows)
        ),
        xmlns="http://www.w3.org/2000/svg",
        class_="story",
        viewBox=f"0 0 {layout.width:g} {layout.height:g}",
        width=layout.width,
        height=layout.height,
        role="img",
    )


def _bands(layout: Layout) -> Iterator[Element]:
    """Yield what lies behind the rows where it went wrong, and their marks."""
    for number, row in enumerate(layout.rows):
        if row.marks:
            top, end = layout.tops[number : number + 2]
            band = element("rect", class_="band", x=0, y=top, width=layout.width, height=end - top)
            mark = element("text", f"!{','.join(map(str, row.marks))}", x=6, y=top + 13)
            mark.set("class", "mark")
            yield element("g", band, mark, class_="bad")


def _lanes(layout: Layout, story: Story) -> Iterator[Element]:
    for column in layout.lanes:
        lane = story.lane(column.key)
        mine = [n for n, row in enumerate(layout.rows) for e in row.entries if e.lane == column.key]
        yield from _head(column, title(lane, story), column.key[-8:] and f"…{column.key[-6:]}")
        first, last = layout.y(mine[0]), layout.y(mine[-1])
        if lane.ended is None:
            last = layout.height - 8
        yield _line("line", column.x, first, column.x, last)
        if lane.ended is not None:
            yield _line("ended", column.x - 7, last + 9, column.x + 7, last + 9)
            yield _line("line", column.x, last, column.x, last + 9)


def _volumes(layout: Layout, story: Story) -> Iterator[Element]:
    for column in layout.volumes:
        name = next(v.volume for v in story.versions if v.volume_id == column.key)
        yield from _head(column, name, "volume")
        yield _line("line", column.x, HEAD, column.x, layout.height - 8)


def _head(column: Column, who: str, below: str) -> Iterator[Element]:
    most = int((column.right - column.x) / 7.5)
    yield element("text", who[:most], class_="who", x=column.x - 8, y=24)
    yield element("text", below[:most], class_="dim", x=column.x - 8, y=40)


def _row(layout: Layout, number: int, row: Row, made: dict[int, Version]) -> Element:
    parts: list[Element] = []
    y = layout.y(number)
    for key in dict.fromkeys(entry.lane for entry in row.entries):
        column = layout.lane(key)
        if row.only is not None:
            parts += _arrows(layout, column, y, row.only, made.get(row.only.number))
        dot = "dot" if row.only is not None else "many"
        parts.append(element("circle", class_=dot, cx=column.x, cy=y, r=4.5))
        what, line = shown_text(row, key)
        drop = -5 if line else 4
        parts.append(element("text", what, x=column.x + 10, y=y + drop))
        parts += [element("text", line, class_="dim", x=column.x + 10, y=y + 11)] if line else []
    hover = element("title")
    hover.text = "\n".join(_told(entry) for entry in row.entries)
    first, last = row.entries[0].number, row.entries[-1].number
    numbers = str(first) if first == last else f"{first}-{last}"
    return element(
        "g",
        hover,
        element("text", numbers, class_="dim", x=6, y=y + (11 if row.marks else 4)),
        *parts,
        class_="bad" if row.marks else "step",
        id=f"s{first}",
    )


def _arrows(
    layout: Layout, column: Column, y: float, entry: Entry, version: Version | None
) -> Iterator[Element]:
    volume = layout.volume(entry.object_id)
    if volume is None:
        return
    if version is not None:
        yield from _arrow(column.x, volume.x + 17, y)
        yield element(
            "rect", class_="version", x=volume.x - 17, y=y - 11, width=34, height=22, rx=5
        )
        text = element("text", f"v{version.number}", x=volume.x, y=y + 4)
        text.set("text-anchor", "middle")
        yield text
        changed = listed(version.paths, 1) or "removals only"
        yield element("text", clipped(changed, 18), class_="dim", x=volume.x + 22, y=y + 13)
    elif entry.kind in SEES and not entry.error:
        yield from _arrow(volume.x, column.x - 5, y)


def _arrow(start: float, end: float, y: float) -> Iterator[Element]:
    back = 7 if end > start else -7
    yield _line("arrow", start, y, end, y)
    yield element("path", class_="tip", d=f"M{end:g} {y:g} l{-back:g} -4 l0 8 z")


def _line(class_: str, x1: float, y1: float, x2: float, y2: float) -> Element:
    return element("line", class_=class_, x1=x1, y1=y1, x2=x2, y2=y2)


def _told(entry: Entry) -> str:
    outcome = seen(entry)
    head = f"{entry.number}. {said(entry)}" + (f": {outcome}" if outcome else "")
    error = [f"   {entry.error}"] if entry.error else []
    return "\n".join(map(plain, [head, *error, *(f"   {line}" for line in entry.where)]))

"""A page of its own, for a browser: the findings, the drawing, and all steps with their code."""

from collections.abc import Iterator, Sequence

from modal_emulator.findings.entries import Story
from modal_emulator.findings.finding import Finding
from modal_emulator.picture.markup import Element, element, written
from modal_emulator.picture.rows import rows_of
from modal_emulator.picture.svg import STYLE, drawing
from modal_emulator.picture.words import listed, plain, said, seen, title

__all__ = ["draw_html"]

PAGE_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --page: #ffffff; --box: #f6f8fa;
  --rim: #d1d9e0; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --dim: #9aa4b2; --page: #14181d;
  --box: #1c222a; --rim: #343c48; --bad: #ff7b7b; } }
body { margin: 2rem; color: var(--ink); background: var(--page);
  font: 15px/1.5 ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.finding { border-left: 4px solid var(--bad); background: var(--box); padding: .6rem 1rem;
  margin: .8rem 0; max-width: 60rem; } .finding b { color: var(--bad); }
pre { margin: .4rem 0 0; white-space: pre-wrap; font-size: 13px; }
.legend { color: var(--dim); font-size: 14px; max-width: 60rem; } .drawing { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; }
summary { cursor: pointer; }
td, th { padding: .25rem .7rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rim); }
td.where { white-space: pre; font-family: ui-monospace, monospace; font-size: 12.5px;
  color: var(--dim); }
tr.bad td:first-child { color: var(--bad); font-weight: 700; } a { color: inherit; }
"""

LEGEND = (
    "Each row is one step, in the order in which they happened; how much time passed between two "
    "is not shown. A line down is a container from its start to its end, or a volume. An arrow to "
    "a volume makes a version of it (v1, v2, ...), an arrow from it is what a container gets to "
    "see, at its start or by a reload. Below each step is the line of code that did it; hold the "
    "mouse over a step for all of them."
)
TOGETHER = " A circle stands for several steps that tell little; the table below has them all."


def draw_html(story: Story, findings: Sequence[Finding] = (), heading: str = "A run") -> str:
    """Return a page that needs nothing but itself."""
    rows = rows_of(story, findings)
    legend = LEGEND + (TOGETHER if any(row.only is None for row in rows) else "")
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", heading),
            element("style", (PAGE_STYLE + STYLE).replace("\n", " ")),
        ),
        element(
            "body",
            element("h1", heading),
            *_findings(findings),
            element("p", legend, class_="legend"),
            element("div", drawing(story, findings), class_="drawing"),
            element("h2", "All steps"),
            _table(story, findings),
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{written(page)}\n"


def _findings(findings: Sequence[Finding]) -> Iterator[Element]:
    """Yield what was found; of many, the first is unfolded."""
    for number, finding in enumerate(findings, 1):
        text = element("pre")
        text.text = "\n".join(map(plain, finding.text))
        head = element("summary", element("b", f"{number}. {finding.subject}"), ": ", finding.title)
        unfolded = {"open": "open"} if number == 1 else {}
        yield element("details", head, text, class_="finding", **unfolded)


def _table(story: Story, findings: Sequence[Finding]) -> Element:
    titles = {lane.container_id: title(lane, story) for lane in story.lanes}
    rows = [element("tr", *(element("th", head) for head in ("", "who", "what", "", "where")))]
    for entry in story.entries:
        marks = [str(n) for n, each in enumerate(findings, 1) if entry.number in each.entries]
        lines = element("td", class_="where")
        lines.text = "\n".join(map(plain, [*filter(None, [entry.error]), *entry.where]))
        outcome = seen(entry)
        if entry.made and entry.paths:
            outcome += f" ({listed(entry.paths, 4)})"
        cells = (
            element("td", f"{entry.number}{' !' + ','.join(marks) if marks else ''}"),
            element("td", titles.get(entry.lane, entry.lane)),
            element("td", said(entry)),
            element("td", outcome),
            lines,
        )
        rows.append(element("tr", *cells, id=f"e{entry.number}", class_="bad" if marks else "ok"))
    return element("table", *rows)

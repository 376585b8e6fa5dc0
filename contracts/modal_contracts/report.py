"""
The page of all clauses, printed from the suite itself.

    python -m modal_contracts.report > docs/reference/clauses.md
    python -m modal_contracts.report --check docs/reference/clauses.md

What has been seen on the live service comes from a record of such a run, which the plugin writes
with `--modal-record`. While there is none, the page says so.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modal_contracts
from modal_contracts.clause import Clause, claim, clauses_of
from modal_contracts.evidence import Evidence, Grade
from modal_contracts.live import LIVE
from modal_contracts.rules import Entry, broken_rules

__all__ = ["Line", "Record", "entries", "main", "page"]

RECORD = Path(modal_contracts.__file__).with_name("live.json")
KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Line:
    """A clause and its claim."""

    clause: Clause
    claim: str


@dataclass(frozen=True, slots=True)
class Record:
    """What came of the clauses in a run on the live service."""

    at: str
    modal: str
    outcomes: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "Record | None":
        """
        Read a record; there is none when the file is missing.

        Raises:
            ValueError: the run was not on the live service.
        """
        if not path.exists():
            return None
        data = json.loads(path.read_text("utf-8"))
        if data["target"] != LIVE:
            raise ValueError(f"{path} records a run on {data['target']!r}, not on {LIVE!r}")
        return cls(data["at"], data["modal"], data["clauses"])


def entries() -> Iterator[Entry]:
    """Find all tests of the suite by importing its rooms."""
    top = Path(modal_contracts.__file__).parent
    for module in pkgutil.walk_packages(modal_contracts.__path__, "modal_contracts."):
        if not module.name.rpartition(".")[2].startswith("test_"):
            continue
        room = importlib.import_module(module.name)
        path = Path(str(room.__file__)).relative_to(top)
        for name, test in vars(room).items():
            if name.startswith("test_"):
                yield Entry(f"{path.as_posix()}::{name}", path.parent.as_posix(), test)


def page(lines: Sequence[Line], record: Record | None) -> str:
    """Write the page."""
    parts = [*_head(lines, record), *_counts(lines), *_needs(lines)]
    folder = ""
    for line in lines:
        here, _, name = line.clause.id.rpartition("/")
        if here != folder:
            folder = here
            parts += ["", f"## {folder.capitalize()}", "", *_columns(record)]
        parts.append(_row(line, name, record))
    return "\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the page, or compare it with the one at hand."""
    parser = argparse.ArgumentParser(prog="python -m modal_contracts.report", description=__doc__)
    parser.add_argument("--check", type=Path, metavar="PAGE", help="fail when this page is stale")
    options = parser.parse_args(arguments)
    found = list(entries())
    if broken := broken_rules(found):
        print("\n".join(broken), file=sys.stderr)
        return 1
    text = page(_lines(found), Record.read(RECORD))
    if options.check is None:
        sys.stdout.write(text)
        return 0
    if options.check.exists() and options.check.read_text("utf-8") == text:
        return 0
    print(f"{options.check} is stale; print it again:", file=sys.stderr)
    print(f"  python -m modal_contracts.report > {options.check}", file=sys.stderr)
    return 1


def _lines(found: Sequence[Entry]) -> list[Line]:
    lines = [Line(clauses_of(entry.test)[0], claim(entry.test)) for entry in found]
    return sorted(lines, key=lambda line: line.clause.id)


def _head(lines: Sequence[Line], record: Record | None) -> list[str]:
    head = [
        "# Clauses",
        "",
        "<!-- Printed by `python -m modal_contracts.report`; do not edit. -->",
        "",
        f"What the suite `modal_contracts` claims about Modal: {len(lines)} clauses, each with one "
        "test and one piece of evidence. The same tests run against the emulator and against a "
        "live workspace.",
        "",
    ]
    if record is None:
        return [
            *head,
            "**Nothing on this page has been seen on live Modal by this project.** No run against "
            "a live workspace is on record. A clause that the emulator keeps shows that the "
            "emulator agrees with the claim, not that Modal does. How far to trust a claim, its "
            "grade says.",
            "",
        ]
    seen = Counter(record.outcomes.get(line.clause.id) for line in lines)
    return [
        *head,
        f"Of these, {seen[KEPT]} were seen to hold on live Modal on {record.at[:10]}, with modal "
        f"{record.modal}. How far to trust the others, their grade says.",
        "",
    ]


def _counts(lines: Sequence[Line]) -> list[str]:
    counts = Counter(line.clause.evidence.grade for line in lines)
    rows = [f"| {grade.value} | {counts[grade]} | {grade.meaning} |" for grade in Grade]
    return ["| evidence | clauses | meaning |", "| --- | ---: | --- |", *rows]


def _needs(lines: Sequence[Line]) -> list[str]:
    counts = Counter(need for line in lines for need in line.clause.needs)
    return [
        "",
        "A clause is left out for a target that does not offer what it needs:",
        "",
        "| needs | clauses | meaning |",
        "| --- | ---: | --- |",
        *(f"| {need.value} | {counts[need]} | {need.meaning} |" for need in sorted(counts)),
    ]


def _columns(record: Record | None) -> list[str]:
    names = ["clause", "claim", "evidence", "from SDK", "needs"] + ["live"] * (record is not None)
    return [_joined(names), _joined(["---"] * len(names))]


def _row(line: Line, name: str, record: Record | None) -> str:
    cells: list[Any] = [f"`{name}`", line.claim, _source(line.clause.evidence), line.clause.since]
    cells.append(", ".join(sorted(need.value for need in line.clause.needs)))
    if record is not None:
        cells.append(record.outcomes.get(line.clause.id, "not run"))
    return _joined(cells)


def _source(evidence: Evidence) -> str:
    text = evidence.source
    if evidence.link:
        text = f"[{text}]({evidence.link})"
    elif evidence.grade is Grade.INFERRED:
        text = f"`{text}`"
    return f"{evidence.grade.value}: {text}"


def _joined(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    raise SystemExit(main())

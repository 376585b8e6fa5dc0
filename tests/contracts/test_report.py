"""The page of clauses is the suite's own, and honest about what was seen."""

import json
from pathlib import Path

import pytest

from modal_contracts import report
from modal_contracts.clause import Clause
from modal_contracts.evidence import Evidence, assumed, documented
from modal_contracts.report import Line, Record, main, page
from modal_contracts.target import Capability

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clauses.md"


def line(id: str, evidence: Evidence, claim: str = "It holds.") -> Line:
    return Line(Clause(id, evidence, "1.0.0", frozenset()), claim)


LINES = [
    line("secrets/a", assumed("nothing says otherwise, and it is simpler")),
    line("volumes/b", documented("guide/volumes"), "It holds | really."),
]


def test_the_page_at_hand_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(PAGE)]) == 0, capsys.readouterr().err


def test_a_stale_page_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stale = tmp_path / "clauses.md"
    assert main(["--check", str(stale)]) == 1
    stale.write_text("# Clauses\n")
    assert main(["--check", str(stale)]) == 1
    assert f"python -m modal_contracts.report > {stale}" in capsys.readouterr().err


def test_what_is_printed_is_what_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    fresh = tmp_path / "clauses.md"
    fresh.write_text(capsys.readouterr().out)
    assert main(["--check", str(fresh)]) == 0


def test_a_broken_suite_has_no_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(report.entries())
    monkeypatch.setattr(report, "broken_rules", lambda entries: [f"{len(entries)} are broken"])
    assert main([]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"{len(found)} are broken\n")


def test_clauses_stand_in_their_folders_with_their_evidence() -> None:
    text = page(LINES, None)
    assert "2 clauses" in text
    assert "| documented | 1 |" in text
    assert "| assumed | 1 |" in text
    assert text.index("## Secrets") < text.index("`a`") < text.index("## Volumes")
    link = "[guide/volumes](https://modal.com/docs/guide/volumes)"
    assert f"| `b` | It holds \\| really. | documented: {link} | 1.0.0 |" in text


def test_what_a_clause_needs_is_said_and_counted() -> None:
    needs = frozenset({Capability.SANDBOXES, Capability.CLOCK})
    clause = Clause("web/c", documented("guide/web"), "1.0.0", needs)
    text = page([*LINES, Line(clause, "It holds.")], None)
    assert "| 1.0.0 | clock, sandboxes |\n" in text
    assert f"| clock | 1 | {Capability.CLOCK.meaning} |\n| sandboxes | 1 |" in text
    assert Capability.PROGRAMS.meaning not in text


def test_without_a_record_nothing_was_seen(tmp_path: Path) -> None:
    assert Record.read(tmp_path / "none.json") is None
    assert "**Nothing on this page has been seen on live Modal by this project.**" in page(
        LINES, None
    )


def record(path: Path, target: str) -> Path:
    clauses = {"secrets/a": "broken", "volumes/b": "kept", "volumes/gone": "kept"}
    data = {"target": target, "modal": "1.6.4", "at": "2026-11-22T10:00:00+00:00"}
    path.write_text(json.dumps({**data, "clauses": clauses}))
    return path


def test_a_record_says_what_was_seen(tmp_path: Path) -> None:
    seen = Record.read(record(tmp_path / "live.json", "live"))
    text = page([*LINES, line("volumes/c", documented("guide/volumes"))], seen)
    assert "Nothing on this page" not in text
    assert "1 were seen to hold on live Modal on 2026-11-22, with modal 1.6.4" in text
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    assert [row.rsplit("|", 2)[1].strip() for row in rows] == ["broken", "kept", "not run"]


def test_a_record_of_another_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="records a run on 'emulator', not on 'live'"):
        Record.read(record(tmp_path / "live.json", "emulator"))

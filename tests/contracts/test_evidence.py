"""Evidence has the shape of its grade, and what is said of the SDK's source stands there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import modal
import pytest
from packaging.version import Version

from modal_contracts.clause import Clause, clauses_of
from modal_contracts.evidence import (
    Evidence,
    Grade,
    assumed,
    documented,
    inferred,
    live_tested,
    observed,
)
from modal_contracts.report import entries

SDK = Path(modal.__file__).parent.parent

CLAUSES = [clause for entry in entries() for clause in clauses_of(entry.test)]
INFERRED = [clause for clause in CLAUSES if clause.evidence.grade is Grade.INFERRED]


@pytest.mark.parametrize(
    "evidence",
    [
        documented("guide/volumes"),
        documented("guide/volumes#volume-commits"),
        documented("sdk/py/latest/modal.Volume"),
        documented("changelog/1.3.5"),
        live_tested("js/test/secret.test.ts", "SecretFromName"),
        inferred("modal/_runtime/user_code_imports.py", "lifecycle_context"),
        observed("a user's log shows the text"),
        assumed("nothing says otherwise, and it is simpler"),
    ],
)
def test_good_evidence_has_no_flaw(evidence: Evidence) -> None:
    assert evidence.flaw() == ""


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (documented(""), "must name a page"),
        (documented("https://modal.com/docs/guide/volumes"), "must name a page"),
        (documented("changelog/soon"), "must name a page"),
        (live_tested("js/src/secret.ts", "SecretFromName"), "a file of modal-client and a test"),
        (live_tested("js/test/secret.test.ts", ""), "a file of modal-client and a test"),
        (inferred("volume.py", "_Volume"), "a file of the SDK and a symbol"),
        (inferred("modal/volume.py", ""), "a file of the SDK and a symbol"),
        (observed(""), "a sentence about what was seen"),
        (observed("seen-by-somebody-somewhere"), "a sentence about what was seen"),
        (assumed("why not"), "a sentence with the reason"),
    ],
)
def test_bad_evidence_says_what_is_asked_for(evidence: Evidence, words: str) -> None:
    assert words in evidence.flaw()
    assert evidence.grade.value in evidence.flaw()


def test_what_can_be_read_has_a_link() -> None:
    assert documented("guide/volumes#x").link == "https://modal.com/docs/guide/volumes#x"
    assert documented("changelog/1.3.5").link.endswith("/py/CHANGELOG.md")
    assert live_tested("go/test/a_test.go", "TestA").link.endswith("/main/go/test/a_test.go")
    assert inferred("modal/volume.py", "_Volume").link == ""


def test_every_grade_has_a_meaning() -> None:
    assert all(grade.meaning for grade in Grade)


def symbols(tree: ast.AST, above: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield above + node.name
            yield from symbols(node, f"{above}{node.name}.")
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield above + node.target.id
        elif isinstance(node, ast.Assign):
            yield from (above + name.id for name in node.targets if isinstance(name, ast.Name))


@pytest.mark.skipif(
    Version(modal.__version__).release[:2] != (1, 6), reason="sources are cited as of modal 1.6"
)
@pytest.mark.parametrize("clause", INFERRED, ids=lambda clause: clause.id)
def test_what_is_inferred_stands_in_the_sdk(clause: Clause) -> None:
    file, symbol = clause.evidence.source.split()
    assert symbol in set(symbols(ast.parse((SDK / file).read_text())))

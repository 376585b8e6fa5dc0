"""The page of patterns names examples and tests that exist, and says of each where it runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "seeds.md"
LINK = re.compile(r"\]\(([^)#]+)\)")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| pattern", "| ---"))
]
# What shows that a test has containers of this kind; inline is what a test has by default.
SIGNS = {
    "inline": r"emulator: Running|def test_\w+\(modal_emulator|--modal-runtime inline",
    "processes": r"modal_run|\"process\"|transport=\"wire\"",
}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_row(row: tuple[str, ...]) -> None:
    _, example, test, runs_on = row
    examples, tests = ([PAGE.parent / link for link in LINK.findall(it)] for it in (example, test))
    assert examples and tests
    for path in (*examples, *tests):
        assert path.exists(), path
    assert {path.resolve().relative_to(ROOT).parts[0] for path in tests} <= {"tests", "contracts"}
    pages = [path for path in examples if path.suffix == ".md"]  # their samples are the tests
    text = "".join(path.read_text() for path in (*tests, *pages))
    for kind in runs_on.split(", "):
        assert re.search(SIGNS[kind], text), f"nothing in {test} runs {kind}"


def test_every_example_is_named() -> None:
    examples = ROOT / "docs" / "examples"
    named = {(PAGE.parent / link).resolve() for row in ROWS for link in LINK.findall(row[1])}
    apps = {path for path in examples.rglob("*.py") if "modal.App(" in path.read_text()}
    others = {path for path in apps if not {path, *path.parents} & named}
    assert {path.relative_to(examples).parts[0] for path in others} == {"mocked_project"}

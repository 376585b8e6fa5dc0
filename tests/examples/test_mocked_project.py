"""Tests with a mock pass whatever the code does; the same tests here find four bugs in it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "docs" / "examples" / "mocked_project"


def run(warm: Path, *arguments: str) -> tuple[str, list[str]]:
    """Run the project's tests as its author does; return how it ended and what failed."""
    done = subprocess.run(
        [str(warm / "python-m-pytest"), "-q", "-p", "no:cacheprovider", *arguments],
        cwd=PROJECT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    ended = re.sub(r" in .*", "", done.stdout.splitlines()[-1])
    return ended, re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_what_a_mock_lets_pass(warm: Path) -> None:
    found = ["test_search", "test_publish", "test_cleanup", "test_forget"]
    assert run(warm, "tests_before") == ("5 passed", [])
    # The warnings are a stale read and a lost update, which are two of the four.
    assert run(warm, "tests_after") == ("4 failed, 1 passed, 2 warnings", found)


@pytest.mark.slow
def test_what_is_fixed(warm: Path) -> None:
    ended, failed = run(warm, "tests_after", "-o", "pythonpath=fixed")
    assert not failed
    assert ended.startswith("5 passed")

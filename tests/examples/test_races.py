"""The nine races among the examples: what is broken is found, and what is fixed passes."""

import os
import re
import subprocess
from pathlib import Path

import pytest

RACES = Path(__file__).parents[2] / "docs" / "examples" / "races"
OPTIONS = "-q -p no:cacheprovider --modal-runtime inline"


@pytest.mark.slow
@pytest.mark.timeout(600)  # all of it is work
def test_as_a_reader_runs_them(warm: Path) -> None:
    done = subprocess.run(
        [str(warm / "python-m-pytest"), *OPTIONS.split()],
        cwd=RACES,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert re.match(r"18 passed(, \d+ warnings?)? in ", done.stdout.splitlines()[-1]), (
        done.stdout + done.stderr
    )

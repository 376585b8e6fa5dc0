"""What the tests of programs share: two containers on the same volumes."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from boxes import ONE, Do
from modal_emulator.emulator import Running


@pytest.fixture
def boxes(modal_emulator: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Do, Do]]:
    """
    Two containers, each a function that does one of the `jobs` there and returns what came of it.

    Both mount a volume of version 1 at /one and one of version 2 at /two.
    """
    monkeypatch.syspath_prepend(Path(__file__).parent)
    jobs = importlib.import_module("jobs")
    with jobs.app.run():
        one, other = (jobs.Box(name=name).do.remote for name in ("one", "other"))
        for box in (one, other):
            box("names", ONE)  # so that both have their first view
        yield one, other


@pytest.fixture
def box(boxes: tuple[Do, Do]) -> Do:
    """The first of the two."""
    return boxes[0]

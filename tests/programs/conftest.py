"""What the tests of programs share: two containers on the same volumes."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from boxes import ONE, Do
from modal_emulator.emulator import Running


@pytest.fixture
def jobs(modal_emulator: Running, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The user's app."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("jobs")


@pytest.fixture
def boxes(jobs: Any) -> Iterator[tuple[Do, Do]]:
    """
    Two containers, each a function that does one of the `jobs` there and returns what came of it.

    Both mount a volume of version 1 at /one and one of version 2 at /two.
    """
    with jobs.app.run():
        one, other = (jobs.Box(name=name).do.remote for name in ("one", "other"))
        for box in (one, other):
            box("names", ONE)  # so that both have their first view
        yield one, other


@pytest.fixture
def box(boxes: tuple[Do, Do]) -> Do:
    """The first of the two."""
    return boxes[0]

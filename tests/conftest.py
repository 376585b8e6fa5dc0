"""Settings and fixtures for all tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from helpers import Traces, eventually
from warm import warm_commands

# Two shared cores make any deadline a coin toss.
settings.register_profile("house", deadline=None)
# Many times as much of everything that is drawn: `tox -e machine`.
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crash", "killing servers, in tests/crash")
    group.addoption("--kills", type=int, default=0, help="how many; 0 takes each test's own few")
    group.addoption("--kill-seed", type=int, help="play this one alone: a failure names its seed")
    group = parser.getgroup("repeats", "telling a story again, in tests/test_repeatable.py")
    group.addoption("--repeats", type=int, default=2, help="how often")


@pytest.fixture(scope="session")
def warm() -> Iterator[Path]:
    """A directory for PATH whose commands begin with what they need imported."""
    with tempfile.TemporaryDirectory(prefix="w") as own, warm_commands(Path(own)) as commands:
        yield commands


@pytest.fixture
def tidy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if it leaves a process, a mount or a file of the emulator behind."""
    with tempfile.TemporaryDirectory(prefix="t") as own:  # short: it holds unix sockets
        monkeypatch.setenv("TMPDIR", own)
        before = Traces.now(Path(own))
        yield
        eventually(lambda: not Traces.now(Path(own)).since(before))
        left = Traces.now(Path(own)).since(before)
        assert not left, left

"""
The emulator in a test run: the fixture `modal_emulator`.

One server lives in the test process for as long as the session; each test gets a World of its own
behind it. Nothing is started, and nothing beyond this room imported, until a test asks for the
fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from modal_emulator.emulator import Running
    from modal_emulator.pytest_plugin.session import Session

__all__ = [
    "modal_emulator",
    "modal_emulator_session",
    "pytest_addoption",
    "pytest_runtest_makereport",
]

COMMIT_SECONDS = "modal_background_commit_seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what can be set in pytest's configuration file."""
    parser.addini(
        COMMIT_SECONDS,
        "seconds between two background commits of a running container; 0 means none at all",
        default=None,
    )


@pytest.fixture(scope="session")
def modal_emulator_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The server that all tests of this process share; tests use `modal_emulator` instead."""
    from modal_emulator.pytest_plugin.session import open_session

    with open_session(_seconds(pytestconfig)) as session:
        yield session


@pytest.fixture
def modal_emulator(modal_emulator_session: Session) -> Iterator[Running]:
    """
    A Modal of this test's own: empty, reached by the unmodified `modal` package, gone afterwards.

    While the test runs, the environment and the SDK's client point at the emulator, and Modal's
    own addresses cannot be looked up. What containers print goes to the test's captured output.
    """
    with modal_emulator_session.test() as running:
        yield running


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the traceback show the lines of code that ran in a container."""
    if call.excinfo is not None and "modal" in sys.modules:
        from modal_emulator.pytest_plugin.sources import find_sources

        find_sources(call.excinfo.value, (item.path.parent, item.config.rootpath))
    return (yield)


def _seconds(config: pytest.Config) -> float | None:
    """Read the one setting, saying where it stands when it makes no sense."""
    text = config.getini(COMMIT_SECONDS)
    if text is None or text == "":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise pytest.UsageError(f"{COMMIT_SECONDS} must be a number of seconds, not {text!r}")
    return seconds

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
    "pytest_configure",
    "pytest_runtest_makereport",
]

MARK = "modal_emulator"
COMMIT_SECONDS = "modal_background_commit_seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what can be set in pytest's configuration file."""
    parser.addini(
        COMMIT_SECONDS,
        "seconds between two background commits of a running container; 0 means none at all",
        default=None,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(background_commit_seconds, after_kill, exit_grace_seconds, listings_per_second): "
        "settings of the test's emulator",
    )


@pytest.fixture(scope="session")
def modal_emulator_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The server that all tests of this process share; tests use `modal_emulator` instead."""
    from modal_emulator.pytest_plugin.session import open_session

    with open_session(_seconds(pytestconfig)) as session:
        yield session


@pytest.fixture
def modal_emulator(
    request: pytest.FixtureRequest, modal_emulator_session: Session
) -> Iterator[Running]:
    """
    A Modal of this test's own: empty, reached by the unmodified `modal` package, gone afterwards.

    While the test runs, the environment and the SDK's client point at the emulator, and Modal's
    own addresses cannot be looked up. What containers print goes to the test's captured output.
    The mark `modal_emulator` changes settings for the test.
    """
    _choose(request.node, modal_emulator_session)
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


def _choose(node: pytest.Item, session: Session) -> None:
    """Give the test the World that its marks ask for."""
    from modal_emulator.ground.errors import Invalid

    marks = list(node.iter_markers(MARK))
    if any(mark.args for mark in marks):
        raise pytest.UsageError(f"@pytest.mark.{MARK} takes options by name only")
    options: dict[str, object] = {}
    for mark in reversed(marks):  # the closest one wins
        options.update(mark.kwargs)
    if options:
        try:
            session.choose(options)
        except Invalid as error:
            raise pytest.UsageError(f"@pytest.mark.{MARK}: {error.message}") from None


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

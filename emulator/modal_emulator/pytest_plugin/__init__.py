"""
The emulator in a test run: the fixture `modal_emulator`.

One server lives in the test process for as long as the session; each test gets a World of its own
behind it. Nothing is started, and nothing beyond this room imported, until a test asks for the
fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from modal_emulator.pytest_plugin.choice import (
    MARKS,
    add_options,
    options_of_session,
    options_of_test,
)

if TYPE_CHECKING:
    from modal_emulator.emulator import Running
    from modal_emulator.pytest_plugin.session import Session

__all__ = [
    "modal_emulator",
    "modal_emulator_session",
    "modal_emulator_settings",
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_makereport",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what can be set in pytest's configuration file and on its command line."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    for mark in MARKS:
        config.addinivalue_line(
            "markers",
            f"{mark}(runtime, isolation, background_commit_seconds, after_kill, "
            "exit_grace_seconds, listings_per_second): settings of the test's emulator",
        )


@pytest.fixture(scope="session")
def modal_emulator_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The server that all tests of this process share; tests use `modal_emulator` instead."""
    from modal_emulator.ground.errors import EmulatorError
    from modal_emulator.pytest_plugin.session import open_session

    with ExitStack() as stack:
        try:
            session = stack.enter_context(open_session(options_of_session(pytestconfig)))
        except EmulatorError as error:
            raise pytest.UsageError(f"modal_emulator: {error.message}") from None
        yield session


@pytest.fixture(scope="session")
def modal_emulator_settings() -> Mapping[str, Any]:
    """
    Settings for tests, by the names that the mark `modal` takes; a project may override it.

    In a conftest, a module or a class, with any scope, and with parameters where the same tests
    are to run with one setting after another. Marks are closer and win.
    """
    return {}


@pytest.fixture
def modal_emulator(
    request: pytest.FixtureRequest,
    modal_emulator_session: Session,
    modal_emulator_settings: Mapping[str, Any],
) -> Iterator[Running]:
    """
    A Modal of this test's own: empty, reached by the unmodified `modal` package, gone afterwards.

    While the test runs, the environment and the SDK's client point at the emulator, and Modal's
    own addresses cannot be looked up. What containers print goes to the test's captured output.
    The mark `modal` changes settings for the test.
    """
    _choose(options_of_test(request, modal_emulator_settings), modal_emulator_session)
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


def _choose(options: Mapping[str, Any], session: Session) -> None:
    """Give the test the World that it asks for."""
    from modal_emulator.ground.errors import EmulatorError

    if options:
        try:
            session.choose(options)
        except EmulatorError as error:
            raise pytest.UsageError(f"@pytest.mark.{MARKS[0]}: {error.message}") from None

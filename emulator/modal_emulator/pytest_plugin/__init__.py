"""
The emulator in a test run: the fixture `modal_emulator`, and those for its clock, cron, stage and
faults.

One server lives in the test process for as long as the session; each test gets a World of its own
behind it. Nothing is started, and nothing beyond this room and `choice` imported, until a test
asks for the fixture or the configuration for more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from modal_emulator.pytest_plugin.choice import (
    MARKS,
    add_options,
    asked_runtime,
    guards_all,
    options_of_session,
    options_of_test,
    reports_schedules,
    starts_workers,
)
from modal_emulator.pytest_plugin.explored import (
    add_exploring,
    show_explorations,
    told_of,
    wishes_of,
)
from modal_emulator.pytest_plugin.findings import (
    fail_for_findings,
    show_findings,
    tell_findings,
)
from modal_emulator.pytest_plugin.pictures import PICTURE, add_picture, draws_failure

if TYPE_CHECKING:
    from modal_emulator.clock import ClockHandle
    from modal_emulator.cron import CronHandle
    from modal_emulator.emulator import Running
    from modal_emulator.handles import FaultsHandle
    from modal_emulator.pytest_plugin.keeping import Keeper
    from modal_emulator.pytest_plugin.session import Session
    from modal_emulator.staging import StageHandle

__all__ = [
    "modal_clock",
    "modal_cron",
    "modal_emulator",
    "modal_emulator_session",
    "modal_emulator_settings",
    "modal_faults",
    "modal_stage",
    "pytest_addoption",
    "pytest_configure",
    "pytest_load_initial_conftests",
    "pytest_report_collectionfinish",
    "pytest_report_header",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_terminal_summary",
]

ENTERED = pytest.StashKey[str]()
FAILED = pytest.StashKey[bool]()
KEEPER: pytest.StashKey[Keeper] = pytest.StashKey()
REFUSED = pytest.StashKey[list[list[str]]]()
RUNNING: pytest.StashKey[Running] = pytest.StashKey()
# Among a report's properties, which come along from xdist's workers.
KEPT, SCHEDULES = "modal_kept", "modal_schedules"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what can be set in pytest's configuration file and on its command line."""
    add_options(parser)
    add_exploring(parser)


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Enter a user namespace if inline containers are asked for and need it; later is too late."""
    # Workers of xdist have threads from the first; they may do what the one who starts them may.
    if asked_runtime(early_config) == "inline":
        from modal_emulator.pytest_plugin.headline import enter

        early_config.stash[ENTERED] = enter(with_workers=starts_workers(early_config))


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    if hasattr(config, "workerinput") and os.geteuid() and asked_runtime(config) == "inline":
        from modal_emulator.pytest_plugin.headline import resume

        resume()
    for mark in MARKS:
        config.addinivalue_line(
            "markers",
            f"{mark}(clock, runtime, isolation, background_commit_seconds, after_kill, "
            "exit_grace_seconds, schedules, dst_policy, cron_limit, listings_per_second, faults, "
            "watch_files, redis, seed_volumes, seed_secrets, leaks_ignore, "
            "leaks_always, leaks_min_length, mask_logs, findings, findings_allow): "
            "settings of the test's emulator",
        )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say before xdist's workers begin what was asked for; nobody collects here."""
    asked = asked_runtime(config)
    return _headline(config) if asked and config.pluginmanager.has_plugin("dsession") else None


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> str | None:
    """Say where functions run, if a test is going to run one."""
    uses = any("modal_emulator" in getattr(item, "fixturenames", ()) for item in items)
    uses &= config.get_verbosity() >= 0 or bool(config.stash.get(ENTERED, ""))
    return _headline(config) if uses else None


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
    with modal_emulator_session.test(request.node.nodeid) as running:
        request.node.stash[RUNNING] = running
        running.wishes = wishes_of(request.node)
        request.node.stash.setdefault(REFUSED, []).append(modal_emulator_session.refused)
        yield running
        del request.node.stash[RUNNING]
        request.node.user_properties += told_of(running.wishes)
        _keep(request.node, running)
        _note_schedules(request.node, running)
        with draws_failure(request.node, running):
            tell_findings(request.node, running)


@pytest.fixture
def modal_clock(modal_emulator: Running) -> ClockHandle:
    """
    The clock of the test's Modal, standing, so that time passes when the test says so.

    It stands at the machine's instant unless the mark, the configuration or the command line says
    how it begins; as all else it is gone after the test.
    """
    clock = modal_emulator.clock
    if modal_emulator.settings.clock is None:
        clock.freeze()
    return clock


@pytest.fixture
def modal_cron(modal_emulator: Running) -> CronHandle:
    """The schedules of the test's Modal."""
    return modal_emulator.cron


@pytest.fixture
def modal_stage(modal_emulator: Running) -> Iterator[StageHandle]:
    """A stage for the test's Modal: what it spawns goes from step to step as the test says."""
    with modal_emulator.stage() as stage:
        yield stage


@pytest.fixture
def modal_faults(modal_emulator: Running) -> FaultsHandle:
    """What is to break in the test's Modal, where and how often."""
    return modal_emulator.faults


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Close the way to Modal for all tests, if that was asked for."""
    if not guards_all(item.config):
        return (yield)
    from modal_emulator.guard import closed_to_modal

    with closed_to_modal() as refused:
        item.stash[REFUSED] = [refused]
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failure show the lines that ran in a container, and what the emulator held."""
    if call.excinfo is not None and "modal" in sys.modules:
        from modal_emulator.pytest_plugin.sources import find_sources

        find_sources(call.excinfo.value, (item.path.parent, item.config.rootpath))
    report = yield
    _check_refused(item, report)
    if call.when == "call" and RUNNING in item.stash:
        fail_for_findings(item, report, item.stash[RUNNING])
    if report.failed:
        item.stash[FAILED] = True
        if RUNNING in item.stash:
            _add_section(report, item.stash[RUNNING])
        error = call.excinfo.value if call.excinfo else None
        add_picture(item, report, error, item.stash.get(RUNNING, None))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which schedules never fired, if that was asked for, and where tests left things."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    properties = {(r.nodeid, *p) for r in reports for p in getattr(r, "user_properties", ())}
    show_explorations(terminalreporter, properties)
    show_findings(terminalreporter, properties)
    seen = [text for _, name, text in properties if name == SCHEDULES]
    if reports_schedules(terminalreporter.config):
        from modal_emulator.pytest_plugin.unfired import told

        terminalreporter.section("modal-emulator: schedules")
        for line in told(seen):
            terminalreporter.write_line(line)
    for title, wanted in (("kept", KEPT), ("pictures", PICTURE)):
        places = sorted((test, place) for test, name, place in properties if name == wanted)
        if places:
            terminalreporter.section(f"modal-emulator: {title}")
        for test, place in places:
            terminalreporter.write_line(f"{test}: {place}")


def _headline(config: pytest.Config) -> str:
    from modal_emulator.pytest_plugin.headline import headline

    return headline(asked_runtime(config), config.stash.get(ENTERED, ""))


def _check_refused(item: pytest.Item, report: pytest.TestReport) -> None:
    """Fail a test that would have reached beyond this machine, whoever swallowed the error."""
    lists = item.stash.get(REFUSED, [])
    names = sorted({name for refused in lists for name in refused})
    for refused in lists:
        refused.clear()  # it is told once, with the phase in which it happened
    if names and report.passed:
        report.outcome = "failed"
        report.longrepr = f"modal-emulator refused connections to {', '.join(names)}"


def _add_section(report: pytest.TestReport, running: Running) -> None:
    from modal_emulator.pytest_plugin.reports import describe

    try:
        text = running.ask(describe)
    except Exception as error:  # it must not stand in the way of the failure itself
        text = f"what it held cannot be told: {error!r}"
    if text:
        report.sections.append(("modal-emulator", text))


def _keep(item: pytest.Item, running: Running) -> None:
    """Leave what the test's volumes hold, if that was asked for."""
    asked = item.config.getoption("--modal-keep")
    if asked is None or (asked == "failed" and FAILED not in item.stash):
        return
    from modal_emulator.pytest_plugin.keeping import Keeper

    if KEEPER not in item.config.stash:
        item.config.stash[KEEPER] = Keeper()
    keeper = item.config.stash[KEEPER]
    item.user_properties.append((KEPT, str(keeper.keep(running, item.nodeid))))


def _note_schedules(item: pytest.Item, running: Running) -> None:
    """Note which schedules the test deployed, and which of them fired, if that was asked for."""
    if reports_schedules(item.config):
        from modal_emulator.pytest_plugin.unfired import noted

        item.user_properties.append((SCHEDULES, running.ask(noted)))


def _choose(options: Mapping[str, Any], session: Session) -> None:
    """Give the test the World that it asks for."""
    from modal_emulator.ground.errors import EmulatorError

    if options:
        try:
            session.choose(options)
        except EmulatorError as error:
            raise pytest.UsageError(f"@pytest.mark.{MARKS[0]}: {error.message}") from None

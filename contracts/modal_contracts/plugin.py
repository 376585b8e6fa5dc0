"""
The pytest plugin that runs the clauses against a target.

    pytest -p modal_contracts.plugin --pyargs modal_contracts --modal-target NAME

It owns the options, checks the rules of the suite at collection, lends each clause its scene,
and counts at the end. What a target is, `opening` and `target` know.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

import modal
import pytest
from packaging.version import Version

import modal_contracts
from modal_contracts import hooks
from modal_contracts.clause import Clause, clauses_of
from modal_contracts.evidence import Grade
from modal_contracts.live import LIVE, make_environment, unfit_for_live
from modal_contracts.opening import Opened, find_target, opened
from modal_contracts.rules import Entry, broken_rules
from modal_contracts.scene import Scene
from modal_contracts.shell import Shell
from modal_contracts.tally import Outcome, Tally

__all__ = ["modal_shell", "modal_target", "scene"]

SUITES = "modal_contracts_suites"
PROPERTY = "modal_clause"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("modal-contracts", "claims about Modal, run against a target")
    group.addoption(
        "--modal-target",
        default="emulator",
        metavar="NAME",
        help="what to run the clauses against: emulator (default), live, or another one's name",
    )
    group.addoption(
        "--modal-allow-live",
        action="store_true",
        help="allow targets beyond this machine; `live` uses your token and may cost money",
    )
    group.addoption(
        "--modal-record",
        type=Path,
        metavar="FILE",
        help="write what came of each clause to this file, as JSON",
    )
    parser.addini(SUITES, "further directories whose tests must all be clauses", type="paths")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hook that names targets."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to touch the real service without leave."""
    if config.getoption("--modal-target") != LIVE:
        return
    if not config.getoption("--modal-allow-live"):
        raise pytest.UsageError(
            "--modal-target live uses your Modal workspace: add --modal-allow-live to allow it"
        )
    if missing := unfit_for_live():
        raise pytest.UsageError(f"--modal-target live cannot run: {missing}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the rules over all tests of the suites, before any is deselected."""
    tops = [Path(modal_contracts.__file__).parent, *config.getini(SUITES)]
    entries = {entry.place: entry for item in items if (entry := _entry(item, tops))}
    if broken := broken_rules(entries.values()):
        raise pytest.UsageError("\n  ".join(["these clauses break the rules:", *broken]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note whose run this is, and leave out what the installed SDK does not have."""
    noted = _clause(item)
    if noted is None:
        return
    item.user_properties.append((PROPERTY, f"{noted.id} {noted.evidence.grade.value}"))
    if Version(modal.__version__) < Version(noted.since):
        pytest.skip(f"needs modal {noted.since}, and {modal.__version__} is installed")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Count the clauses by grade and outcome, and write the record."""
    tally = Tally()
    for category in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(category, ()):
            _count(tally, report)
    if not tally.outcomes:
        return
    target = config.getoption("--modal-target")
    terminalreporter.section(f"clauses on target {target!r}, modal {modal.__version__}")
    for line in tally.lines():
        terminalreporter.write_line(line)
    if (path := config.getoption("--modal-record")) is not None:
        path.write_text(_record(target, tally), "utf-8")


@pytest.fixture(scope="session")
def modal_target(pytestconfig: pytest.Config) -> Iterator[Opened]:
    """The target of this run, open, with the SDK pointed at it."""
    open_target = find_target(pytestconfig.getoption("--modal-target"), pytestconfig)
    may_leave = pytestconfig.getoption("--modal-allow-live")
    with opened(open_target, may_leave=may_leave) as target:
        yield target


@pytest.fixture(scope="session")
def modal_shell(modal_target: Opened) -> Iterator[Shell]:
    """The `modal` command, with the target's environment."""
    with Shell() as shell:
        yield shell


@pytest.fixture
def scene(
    modal_target: Opened, modal_shell: Shell, request: pytest.FixtureRequest
) -> Iterator[Scene]:
    """A clause's own place on the target; the clause is left out if it needs what is not there."""
    noted = _clause(request.node)
    lacking = (noted.needs if noted else frozenset()) - modal_target.offers
    if lacking:
        words = "; ".join(sorted(capability.meaning for capability in lacking))
        pytest.skip(f"the target does not offer this: {words}")
    target, environment = modal_target.target, modal_target.environment
    with ExitStack() as stack:
        lent = Scene(target, environment, stack, modal_shell)
        yield lent
    if lent.travelled:  # other clauses live in the present
        target.begin_anew()
        make_environment(environment)


def _entry(item: pytest.Item, tops: list[Path]) -> Entry | None:
    if not isinstance(item, pytest.Function):
        return None
    for top in tops:
        if item.path.is_relative_to(top):
            path = item.path.relative_to(top)
            place = f"{path.as_posix()}::{item.function.__qualname__}"
            return Entry(place, path.parent.as_posix().removeprefix("."), item.function)
    return None


def _clause(item: pytest.Item) -> Clause | None:
    noted = clauses_of(item.function) if isinstance(item, pytest.Function) else ()
    return noted[0] if noted else None


def _count(tally: Tally, report: object) -> None:
    words = {"passed": Outcome.KEPT, "failed": Outcome.BROKEN, "skipped": Outcome.LEFT_OUT}
    if not isinstance(report, pytest.TestReport):
        return  # a module that could not be collected
    for name, value in report.user_properties:
        if name == PROPERTY:
            id, grade = str(value).split()
            tally.add(id, Grade(grade), words[report.outcome])


def _record(target: str, tally: Tally) -> str:
    record = {
        "target": target,
        "modal": modal.__version__,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "clauses": {id: outcome.value for id, outcome in tally.outcomes.items()},
    }
    return json.dumps(record, indent=2) + "\n"

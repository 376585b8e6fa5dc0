"""
Findings in a test run: as warnings, as failures, and in a few lines at the end.

What the journal of a test's World tells is looked through when the test is over, and, where a
finding may be a failure, also when its own code is done, so that it is the test that fails. Every
test run loads this room, so it imports nothing of the emulator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from modal_emulator.emulator import Running
    from modal_emulator.findings.finding import Finding

__all__ = [
    "FindingWarning",
    "add_findings",
    "fail_for_findings",
    "levels_of_session",
    "show_findings",
    "tell_findings",
]

LEVELS, ALLOW = "modal_findings", "modal_findings_allow"
FOUND = "modal_findings"  # among a report's properties, which come along from xdist's workers
TOLD = pytest.StashKey[set[str]]()
_MOST = 40


class FindingWarning(UserWarning):
    """A storage bug that showed in a test."""


def add_findings(parser: pytest.Parser) -> None:
    """Declare what can be set in pytest's configuration file."""
    parser.addini(
        LEVELS,
        "how findings are told, a line each: `lost update: fail`, with off, warn or fail; "
        "`default` is all that are not off by themselves",
        type="linelist",
    )
    parser.addini(
        ALLOW,
        "findings that are meant, a line each: `stale read: path=models/* function=serve`",
        type="linelist",
    )


def levels_of_session(config: pytest.Config) -> dict[str, Any]:
    """Return the options that the configuration asks for, saying which line makes no sense."""
    options: dict[str, Any] = {}
    levels: dict[str, str] = {}
    for line in config.getini(LEVELS):
        name, colon, level = line.partition(":")
        if not colon:
            raise pytest.UsageError(f"{LEVELS}: {line!r} is not of the form `lost update: fail`")
        levels[name.strip()] = level.strip()
    if levels:
        options["findings"] = levels
    if allowed := config.getini(ALLOW):
        options["findings_allow"] = tuple(allowed)
    return options


def fail_for_findings(item: pytest.Item, report: pytest.TestReport, running: Running) -> None:
    """Let the test fail, if something was found that is to be a failure."""
    if not running.settings.findings.may_fail:
        return
    _, failures = _new(item, running)
    if failures and report.passed:
        report.outcome = "failed"
        report.longrepr = _text(failures)
    elif failures:
        report.sections.append(("modal-emulator: findings", _text(failures)))
    _remember(item, failures)


def tell_findings(item: pytest.Item, running: Running) -> None:
    """Warn of what was found, and fail for what was not told before."""
    if running.settings.findings.tell_nothing:
        return
    warnings, failures = _new(item, running)
    _remember(item, [*warnings, *failures])
    for finding in warnings:
        item.warn(FindingWarning(f"\n{finding}"))
    if failures:
        pytest.fail(_text(failures), pytrace=False)


def show_findings(
    terminal: pytest.TerminalReporter, properties: Iterable[tuple[str, str, str]]
) -> None:
    """Write a line for each finding."""
    told = sorted((test, line) for test, name, line in properties if name == FOUND)
    if told:
        terminal.section("modal-emulator: findings")
    for test, line in told[:_MOST]:
        terminal.write_line(f"{test}: {line}")
    if len(told) > _MOST:
        terminal.write_line(f"and {len(told) - _MOST} more")


def _new(item: pytest.Item, running: Running) -> tuple[list[Finding], list[Finding]]:
    """Return what is to be a warning and what a failure, and was not told before."""
    from modal_emulator.findings.finding import Level

    levels, told = running.settings.findings, item.stash.setdefault(TOLD, set())
    found: Mapping[Level, list[Finding]] = {level: [] for level in Level}
    for finding in running.findings():
        if str(finding) not in told:
            found[levels.of(finding)].append(finding)
    return found[Level.WARN], found[Level.FAIL]


def _remember(item: pytest.Item, findings: Iterable[Finding]) -> None:
    for finding in findings:
        item.stash[TOLD].add(str(finding))
        item.user_properties.append((FOUND, f"{finding.subject}: {finding.title}"))


def _text(findings: Iterable[Finding]) -> str:
    return "\n\n".join(map(str, findings))

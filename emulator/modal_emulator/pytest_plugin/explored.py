"""
Explorations in a test run: the options for them, and what is told of them at the end.

Every test run loads this room, so it imports nothing of the emulator.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from modal_emulator.emulator import Wishes

__all__ = ["add_exploring", "show_explorations", "told_of", "wishes_of"]

# Among a report's properties, which come along from xdist's workers.
EXPLORED = "modal_explored"


def add_exploring(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("modal-emulator")
    group.addoption(
        "--modal-replay",
        metavar="TOKEN",
        help="run just this schedule of the test that is explored; a failure prints the token",
    )
    group.addoption(
        "--modal-schedules",
        metavar="N",
        type=int,
        help="explore at most this many schedules of each test",
    )


def wishes_of(item: pytest.Item) -> Wishes:
    """Return what is wanted of the explorations in a test."""
    from modal_emulator.emulator import Wishes

    most = item.config.getoption("--modal-schedules")
    if most is not None and most < 1:
        raise pytest.UsageError("--modal-schedules must be at least 1")
    replay = item.config.getoption("--modal-replay") or ""
    return Wishes(item.nodeid, replay, most)


def told_of(wishes: Wishes) -> list[tuple[str, str]]:
    """Return what a report is to carry."""
    return [(EXPLORED, line) for line in wishes.told]


def show_explorations(
    terminal: pytest.TerminalReporter, properties: Iterable[tuple[str, str, str]]
) -> None:
    """Write a line for each exploration."""
    told = sorted((test, line) for test, name, line in properties if name == EXPLORED)
    if told:
        terminal.section("modal-emulator: explored")
    for test, line in told:
        terminal.write_line(f"{test}: {line}")

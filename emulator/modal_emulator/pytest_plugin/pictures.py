"""
Pictures of failed tests: some lines in the report where something was found, and a page in a
directory if one was named.

Every test run loads this room, so it imports nothing of the emulator until a test has failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from modal_emulator.pytest_plugin.choice import pictures_in

if TYPE_CHECKING:
    from modal_emulator.emulator import Running

__all__ = ["PICTURE", "add_picture", "draws_failure"]

PICTURE = "modal_picture"
"""Among a report's properties, which come along from xdist's workers: where the page is."""

DRAWN = pytest.StashKey[list[tuple[str, str]]]()
"""Sections for the report of a teardown, drawn while the emulator was there."""
LONGEST = 120


def add_picture(
    item: pytest.Item,
    report: pytest.TestReport,
    error: BaseException | None,
    running: Running | None,
) -> None:
    """Add to the report of a test that failed what it looked like, and draw it if asked."""
    if running is None:
        drawn: list[tuple[str, str]] = item.stash.get(DRAWN, [])
        report.sections += drawn
        return
    report.sections += _drawn(item, error, running)
    report.user_properties += [
        p for p in item.user_properties if p[0] == PICTURE and p not in report.user_properties
    ]


@contextmanager
def draws_failure(item: pytest.Item, running: Running) -> Iterator[None]:
    """Draw what a test looked like whose teardown fails in the block, for the report to come."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        item.stash[DRAWN] = _drawn(item, error, running)
        raise


def _drawn(
    item: pytest.Item, error: BaseException | None, running: Running
) -> list[tuple[str, str]]:
    if any(name == PICTURE for name, _ in item.user_properties):
        return []  # it has failed before
    directory = pictures_in(item.config)
    sections = []
    try:
        if text := _lines(running, error):
            sections.append(("modal-emulator: what happened", text))
        if directory is not None:
            place = running.picture(directory / f"{_file_name(item.nodeid)}.html", item.nodeid)
            sections.append(("modal-emulator: picture", str(place)))
            item.user_properties.append((PICTURE, str(place)))
    except Exception as failure:  # it must not stand in the way of the test's own
        sections.append(("modal-emulator: picture", f"it cannot be drawn: {failure!r}"))
    return sections


def _lines(running: Running, error: BaseException | None) -> str:
    from modal_emulator.findings.finding import Level
    from modal_emulator.picture import draw_text
    from modal_emulator.races.found import RaceFound

    levels = running.settings.findings
    findings = [each for each in running.findings() if levels.of(each) != Level.OFF]
    is_told = findings or isinstance(error, RaceFound)
    return draw_text(running.story(), findings) if is_told else ""


def _file_name(nodeid: str) -> str:
    """Return a name for a file that says which test it was, and is no other test's."""
    plain = re.sub(r"[^\w.-]+", "-", nodeid).strip("-.")
    if plain == nodeid.replace("::", "-").replace("/", "-") and len(plain) <= LONGEST:
        return plain
    return f"{plain[:LONGEST]}-{sha256(nodeid.encode()).hexdigest()[:8]}"

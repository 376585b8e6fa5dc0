"""
Pictures of failed tests: some lines in the report where something was found, and a page in a
directory if one was named.

Every test run loads this room, so it imports nothing of the emulator until a test has failed.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from modal_emulator.pytest_plugin.choice import pictures_in

if TYPE_CHECKING:
    from modal_emulator.emulator import Running

__all__ = ["PICTURE", "add_picture"]

PICTURE = "modal_picture"
"""Among a report's properties, which come along from xdist's workers: where the page is."""

LONGEST = 120


def add_picture(
    item: pytest.Item, report: pytest.TestReport, error: BaseException | None, running: Running
) -> None:
    """Add to the report of a test that failed what it looked like, and draw it if asked."""
    if any(name == PICTURE for name, _ in item.user_properties):
        return  # it has failed before
    directory = pictures_in(item.config)
    try:
        if text := _lines(running, error):
            report.sections.append(("modal-emulator: what happened", text))
        if directory is not None:
            place = running.picture(directory / f"{_file_name(item.nodeid)}.html", item.nodeid)
            report.sections.append(("modal-emulator: picture", str(place)))
            item.user_properties.append((PICTURE, str(place)))
            report.user_properties.append((PICTURE, str(place)))
    except Exception as failure:  # it must not stand in the way of the test's own
        report.sections.append(("modal-emulator: picture", f"it cannot be drawn: {failure!r}"))


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

"""
What a test is told of a volume's past: who made each version, and what is different between two.

Values only; where they come from is `volume`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from modal_emulator.store.history import Record
from modal_emulator.store.layer import Change
from modal_emulator.store.paths import show
from modal_emulator.store.tree import Entry

__all__ = ["Difference", "VersionRecord", "last_to_change", "told"]


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """Who made a version, when, on what, and which paths it changed."""

    number: int
    at: float
    """Seconds since 1970."""
    base: int
    """The version that its maker was looking at; for a change from outside, the one before."""
    via: str
    """commit, sync, reload, background, exit, kill or api."""
    container_id: str
    """Empty for a change from outside."""
    function: str
    call: str
    """The id of the call that the container worked on; empty if it was none, or several."""
    paths: tuple[str, ...]
    """What was written or removed; a directory only if nothing in it is named."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not the same in two versions; None where it is not there."""

    path: str
    kind: str
    """added, removed or changed."""
    before: Entry | None
    after: Entry | None


def told(record: Record, changes: Iterable[Change]) -> VersionRecord:
    """Return a record in the words of a test."""
    return VersionRecord(
        number=record.number,
        at=record.at,
        base=record.base,
        via=record.by.via,
        container_id=record.by.container_id,
        function=record.by.function,
        call=record.by.call,
        paths=tuple(show(change.parts) or "." for change in changes),
    )


def last_to_change(past: Iterable[VersionRecord], path: str) -> str:
    """Say which version brought or took a path, and whether its maker had seen the one before."""
    last = None
    for record in past:
        if any(path == one or path.startswith(f"{one}/") for one in record.paths):
            last = record
    if last is None:
        return ""
    who = f" by {last.function}" if last.function else ""
    stale = f", made on version {last.base}" if last.base < last.number - 1 else ""
    return f"version {last.number}, {last.via}{who}{stale}"

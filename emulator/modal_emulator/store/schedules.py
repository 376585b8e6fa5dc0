"""
What the schedule of a function says, and how far it has come.

When a schedule is due is known in `schedule/cron` and `schedule/period`.
"""

import json
from dataclasses import asdict, astuple, dataclass, fields

from modal_emulator.store.ledger import Ledger

__all__ = [
    "Cron",
    "Period",
    "Schedule",
    "Standing",
    "Standings",
    "schedule_from",
    "schedule_record",
]


@dataclass(frozen=True, slots=True)
class Cron:
    """Times of day on a calendar."""

    expression: str
    timezone: str = "UTC"

    def __str__(self) -> str:
        return f"Cron({self.expression!r}, timezone={self.timezone!r})"


@dataclass(frozen=True, slots=True)
class Period:
    """A span of the calendar, again and again; SDK:schedule.py."""

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return f"Period({', '.join(f'{name}={value:g}' for name, value in given if value)})"


Schedule = Cron | Period


def schedule_record(schedule: Schedule | None) -> list[object]:
    """Return a schedule as plain values."""
    return [] if schedule is None else [type(schedule).__name__, *astuple(schedule)]


def schedule_from(record: list[object]) -> Schedule | None:
    """Return the schedule of which these are the plain values."""
    if not record:
        return None
    kind, *values = record
    made: Schedule = {"Cron": Cron, "Period": Period}[str(kind)](*values)
    return made


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the schedule of a function has come."""

    considered: float = 0.0
    """The last instant of which it is decided what came of it; 0 is none."""
    paused: bool = False


class Standings:
    """Keeps them by function, over restarts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, function_id: str) -> Standing:
        """Return how far a schedule has come."""
        value = self._ledger.get("schedule", function_id)
        return Standing() if value is None else Standing(**json.loads(value))

    def put(self, function_id: str, standing: Standing) -> None:
        """Remember how far a schedule has come."""
        self._ledger.put("schedule", function_id, json.dumps(asdict(standing)).encode())

    def drop(self, function_id: str) -> None:
        """Forget a schedule."""
        self._ledger.delete("schedule", function_id)

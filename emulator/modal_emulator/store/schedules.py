"""
What the schedule of a function says, as it was deployed.

Values only: when they are due is known in `schedule/cron` and `schedule/period`.
"""

from dataclasses import astuple, dataclass, fields

__all__ = ["Cron", "Period", "Schedule", "schedule_from", "schedule_record"]


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

"""
Schedules and their runs in the words of a test: with datetimes, and None for what is not.

Values only; where they come from is `schedules`.
"""

from dataclasses import dataclass
from datetime import datetime

from modal_emulator.ground.instants import aware
from modal_emulator.schedule.firings import Firing
from modal_emulator.schedule.schedules import Scheduled

__all__ = ["ScheduleRecord", "ScheduledRun", "told_run", "told_schedule"]


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """One run of a scheduled function, as it stood when it was asked about."""

    app: str
    function: str
    cause: str
    """`due`, `missed` (made up for later) or `by hand`."""
    due: datetime
    """When it was to run, in UTC; when it was asked for, if it ran by hand."""
    fired_at: datetime
    started_at: datetime | None
    """When a container took it, for the last attempt."""
    finished_at: datetime | None
    status: str
    """`queued`, `running` or `waiting` (for its next attempt), then `success`, `failure`,
    `timeout`, `terminated`, `init_failure` or `internal_failure`."""
    error: str
    """What was said to have gone wrong."""
    attempts: int
    container_id: str
    call_id: str


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """One schedule, as it stood when it was asked about."""

    app: str
    environment: str
    function: str
    schedule: str
    """As it is written: `Cron('0 2 * * *', timezone='UTC')` or `Period(days=1)`."""
    fires: bool
    """False for an ephemeral app whose schedules were not asked to fire."""
    paused: bool
    next: datetime | None
    """When it is due next, in UTC; None when it does not fire, is paused, or comes no more."""
    last: ScheduledRun | None
    runs: int
    """How often it ran, by hand as well."""


def told_run(firing: Firing) -> ScheduledRun:
    """Tell of a run."""
    return ScheduledRun(
        app=firing.app,
        function=firing.function,
        cause=firing.cause.value,
        due=aware(firing.due),
        fired_at=aware(firing.fired_at),
        started_at=_instant(firing.started_at),
        finished_at=_instant(firing.finished_at),
        status=firing.status,
        error=firing.error,
        attempts=firing.attempts,
        container_id=firing.container_id,
        call_id=firing.call_id,
    )


def told_schedule(scheduled: Scheduled) -> ScheduleRecord:
    """Tell of a schedule."""
    return ScheduleRecord(
        app=scheduled.app,
        environment=scheduled.environment,
        function=scheduled.function,
        schedule=scheduled.schedule,
        fires=scheduled.fires,
        paused=scheduled.paused,
        next=None if scheduled.next is None else aware(scheduled.next),
        last=None if scheduled.last is None else told_run(scheduled.last),
        runs=scheduled.runs,
    )


def _instant(at: float) -> datetime | None:
    return aware(at) if at else None

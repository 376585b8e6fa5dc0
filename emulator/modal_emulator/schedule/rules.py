"""What a user can choose about schedules; where Modal's way is not known, it is a choice."""

from dataclasses import dataclass
from enum import Enum

from modal_emulator.schedule.cron import DstPolicy

__all__ = ["FiringApps", "MissedRuns", "ScheduleRules"]


class FiringApps(Enum):
    """Whose schedules fire."""

    DEPLOYED = "deployed"  # "to activate the schedule, deploy" (modal-semantics 3 [doc])
    EPHEMERAL_TOO = "ephemeral-too"


class MissedRuns(Enum):
    """What becomes of runs that were due while nobody was there to fire them."""

    SKIP = "skip"
    """None of them runs. The default is a guess: what Modal does is not known."""
    LATEST = "latest"
    """Of each schedule the last one runs."""
    ALL = "all"
    """Each runs, in the order in which they were due."""


@dataclass(frozen=True, slots=True)
class ScheduleRules:
    """The choices, with their defaults."""

    apps: FiringApps = FiringApps.DEPLOYED
    dst_policy: DstPolicy = DstPolicy.DEBIAN
    missed_runs: MissedRuns = MissedRuns.SKIP
    limit: int | None = None
    """A deployment with which all deployed apps together have more scheduled functions than this
    is refused, as on a workspace of the Starter plan, where it is 5; None is no limit."""

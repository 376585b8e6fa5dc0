"""The options of `serve` that say how schedules are followed."""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import click

from modal_emulator.schedule.cron import DstPolicy
from modal_emulator.schedule.rules import FiringApps, MissedRuns, ScheduleRules

__all__ = ["schedule_options", "schedule_rules"]

Command = TypeVar("Command", bound=Callable[..., Any])


def schedule_options(command: Command) -> Command:
    """Give a command these options; what they say is read by `schedule_rules`."""
    add = (
        _choice("--schedules", FiringApps, "deployed", "Whose schedules fire."),
        _choice("--missed-runs", MissedRuns, "skip", "What becomes of runs due while it was down."),
        _choice("--dst-policy", DstPolicy, "debian", "Times that a change of clocks moves."),
        click.option(
            "--cron-limit",
            type=click.IntRange(0),
            metavar="N",
            help="Refuse deployments with more schedules than this in all; Modal's Starter plan "
            "has 5.",
        ),
    )
    for option in reversed(add):
        command = option(command)
    return command


def schedule_rules(
    schedules: str, missed_runs: str, dst_policy: str, cron_limit: int | None
) -> ScheduleRules:
    """Return what was chosen."""
    return ScheduleRules(
        FiringApps(schedules), DstPolicy(dst_policy), MissedRuns(missed_runs), cron_limit
    )


def _choice(name: str, kind: type[Enum], default: str, help: str) -> Callable[[Command], Command]:
    words = [each.value for each in kind]
    return click.option(
        name, type=click.Choice(words), default=default, show_default=True, help=help
    )

import click
import pytest
from click.testing import CliRunner

from modal_emulator.cli.schedule_options import schedule_options, schedule_rules
from modal_emulator.schedule.cron import DstPolicy
from modal_emulator.schedule.rules import FiringApps, MissedRuns, ScheduleRules


@click.command()
@schedule_options
def show(**given: str) -> None:
    click.echo(repr(schedule_rules(**given)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "rules"),
    [
        ("", ScheduleRules()),
        (
            "--schedules ephemeral-too --missed-runs latest --dst-policy shift --cron-limit 5",
            ScheduleRules(FiringApps.EPHEMERAL_TOO, DstPolicy.SHIFT, MissedRuns.LATEST, 5),
        ),
    ],
)
def test_the_options_become_rules(arguments: str, rules: ScheduleRules) -> None:
    assert CliRunner().invoke(show, arguments.split()).output == f"{rules!r}\n"


def test_another_word_is_refused() -> None:
    refused = CliRunner().invoke(show, ["--missed-runs", "some"])
    assert refused.exit_code == 2 and "'skip', 'latest', 'all'" in refused.output

"""`modal-emulator cron preview`: it needs no server."""

import json

import pytest
from click.testing import CliRunner

from modal_emulator.cli.main import main


def preview(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["cron", "preview", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_times_are_listed_in_the_zone_of_the_schedule() -> None:
    assert preview("30 2 * * *", "--tz", "Europe/Oslo", "--start", "2024-03-30", "-n", "3") == (
        "2024-03-30 02:30 Sat CET\n2024-03-31 03:00 Sun CEST\n2024-04-01 02:30 Mon CEST\n"
    )
    skipped = preview(
        "30 2 * * *", "--tz", "Europe/Oslo", "--start=2024-03-31", "-n1", "--dst-policy", "skip"
    )
    assert skipped == "2024-04-01 02:30 Mon CEST\n"


def test_bounds() -> None:
    daily = ("0 2 * * *", "--start", "2024-01-31T02:00")
    assert json.loads(preview(*daily, "--end", "2024-02-02T02:00", "--json")) == [
        "2024-01-31T02:00:00+00:00",
        "2024-02-01T02:00:00+00:00",
    ]
    assert len(preview(*daily).splitlines()) == 10
    assert len(preview(*daily, "--end", "2025-01-31").splitlines()) == 366
    assert len(preview("* * * * *").splitlines()) == 10
    assert preview(*daily, "--end", "2024-01-31T01:59") == "It is not due.\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["61 * * * *"], "Error: "),
        (["@daily"], "write '0 0 * * *' for it"),
        (["* * * * *", "--tz", "Mars/Olympus"], "there is no time zone 'Mars/Olympus'"),
        (["* * * * *", "--start", "soon"], "'soon' is no instant"),
    ],
)
def test_what_makes_no_sense_is_told(arguments: list[str], why: str) -> None:
    result = CliRunner().invoke(main, ["cron", "preview", *arguments])
    assert result.exit_code == 1
    assert why in result.output

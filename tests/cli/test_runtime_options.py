"""What `serve` and `exec` let one choose of containers."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from modal_emulator.cli.runtime_options import runtime_options, runtime_settings


@pytest.mark.parametrize(
    ("arguments", "environment", "watches"),
    [
        ([], {}, True),
        (["--no-watch-files"], {}, False),
        ([], {"MODAL_EMULATOR_WATCH_FILES": "0"}, False),
        (["--watch-files"], {"MODAL_EMULATOR_WATCH_FILES": "0"}, True),
    ],
)
def test_files_are_watched_unless_somebody_says_no(
    arguments: list[str], environment: dict[str, str], watches: bool
) -> None:
    found: dict[str, Any] = {}

    @click.command()
    @runtime_options
    def command(**options: Any) -> None:
        found.update(runtime_settings(options))

    result = CliRunner().invoke(command, arguments, env=environment)
    assert result.exit_code == 0, result.output
    assert found["watch_files"] is watches

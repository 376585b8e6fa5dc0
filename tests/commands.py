"""The `modal` command inside the test process, which has the SDK imported and a client open."""

from dataclasses import dataclass

import click
from click.testing import CliRunner
from modal.cli import entry_point

__all__ = ["Said", "modal_command"]


@dataclass(frozen=True)
class Said:
    """What a command printed, errors among it, and how it ended."""

    code: int
    text: str


def modal_command(*arguments: str) -> Said:
    """Run `modal` with these arguments."""
    result = CliRunner().invoke(entry_point.entrypoint_cli, arguments, env={"COLUMNS": "300"})
    error = result.exception
    if isinstance(error, click.ClickException):
        return Said(error.exit_code, result.output + error.format_message())
    told = str(error) if isinstance(error, Exception) else ""  # what exits has said its word
    return Said(result.exit_code, result.output + told)

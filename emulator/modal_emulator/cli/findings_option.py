"""The option of `serve` and `exec` for findings, and what is told of them at the end."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modal_emulator.cli.start import tell

if TYPE_CHECKING:
    from modal_emulator.emulator import Emulator

__all__ = ["findings_option", "tell_findings"]

Command = TypeVar("Command", bound=Callable[..., Any])


def findings_option(command: Command) -> Command:
    """Add the option `--findings`."""
    return click.option(
        "--findings",
        type=click.Choice(["off", "warn"]),
        default="warn",
        show_default=True,
        envvar="MODAL_EMULATOR_FINDINGS",
        help="Whether storage bugs that showed, such as stale reads, are told at the end.",
    )(command)


async def tell_findings(emulator: "Emulator", findings: str) -> None:
    """Say on stderr what went wrong, if it is to be told."""
    from modal_emulator.emulator.explaining import findings as found
    from modal_emulator.findings.finding import Level

    if findings == "off":
        return
    await emulator.world.leaks.looked()
    levels = emulator.world.settings.findings
    for finding in found(emulator.world):
        if levels.of(finding) is not Level.OFF:
            tell(str(finding))

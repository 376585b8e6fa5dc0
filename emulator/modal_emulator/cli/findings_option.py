"""The option of `serve` and `exec` for findings, and the telling of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modal_emulator.cli.start import tell

if TYPE_CHECKING:
    from modal_emulator.emulator import Emulator
    from modal_emulator.findings.finding import Finding

__all__ = ["announced", "findings_option", "tell_findings"]

Command = TypeVar("Command", bound=Callable[..., Any])


def findings_option(command: Command) -> Command:
    """Add the option `--findings`."""
    return click.option(
        "--findings",
        type=click.Choice(["off", "warn"]),
        default="warn",
        show_default=True,
        envvar="MODAL_EMULATOR_FINDINGS",
        help="Whether storage bugs that showed, such as stale reads, are told.",
    )(command)


async def tell_findings(emulator: "Emulator", findings: str) -> None:
    """Say on stderr what went wrong, if it is to be told."""
    from modal_emulator.findings.finding import Level

    if findings == "off":
        return
    await emulator.world.leaks.looked()
    levels = emulator.world.settings.findings
    for finding in emulator.world.explaining.findings():
        if levels.of(finding) is not Level.OFF:
            _tell(finding)


@asynccontextmanager
async def announced(emulator: "Emulator", findings: str) -> "AsyncIterator[None]":
    """Say on stderr what goes wrong during the block, soon after it did, if it is to be told."""
    from modal_emulator.schedule.announcing import Announcing

    if findings == "off":
        yield
        return
    world = emulator.world
    announcing = Announcing(
        journal=world.journal,
        explaining=world.explaining,
        levels=world.settings.findings,
        live=world.clock.live,
        tell=_tell,
    )
    yield
    await world.leaks.looked()
    await announcing.finish()


def _tell(finding: "Finding") -> None:
    tell(str(finding))

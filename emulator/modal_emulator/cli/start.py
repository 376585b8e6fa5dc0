"""
Starting a server for a command, and saying clearly when it cannot be started.

It owns the translation of what can go wrong into lines for a person, and the rule which
directories may hold state.
"""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.instants import Beginning

if TYPE_CHECKING:
    from modal_emulator.emulator import Emulator
    from modal_emulator.schedule.rules import ScheduleRules

__all__ = ["started", "tell"]

OURS = {"ledger.db", "token"}  # either is there as soon as a server has run in the directory
IGNORE = ".gitignore"


def tell(text: str) -> None:
    """Say something to the person on stderr, under our name."""
    click.echo(f"{click.style('modal-emulator', dim=True)}: {text}", err=True)


@asynccontextmanager
async def started(
    directory: Path | None,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    versions_kept: int | None = None,
    keyed_store: str = "",
    clock: Beginning | None = None,
    schedules: "ScheduleRules | None" = None,
    **others: Any,
) -> "AsyncIterator[Emulator]":
    """
    Run a server for the length of the block; with no directory it keeps nothing.

    `versions_kept` is how many versions of each volume it keeps; None stands for all. `keyed_store`
    is the URL of a Redis for Dicts and Queues; without one they are kept as everything else is.
    `clock` is how its clock begins; None is the machine's time. The others are `Settings`.

    Raises:
        click.ClickException: it cannot be started; the message says why and what to do.
    """
    from modal_emulator.emulator import Emulator, Settings
    from modal_emulator.schedule.rules import ScheduleRules
    from modal_emulator.store.limits import VolumeLimits

    if directory is not None:
        _prepare(directory)
    settings = Settings(
        volumes=VolumeLimits(versions_kept=versions_kept),
        keyed_store=keyed_store,
        clock=clock,
        schedules=schedules or ScheduleRules(),
        **others,
    )
    emulator = Emulator(directory, host=host, port=port, settings=settings)
    try:
        await emulator.start()
    except (EmulatorError, OSError) as error:
        raise click.ClickException(_why(error, host, port)) from error
    try:
        yield emulator
    finally:
        await emulator.stop()


def _prepare(directory: Path) -> None:
    """Make the state directory, for its owner only, and keep it out of the user's repository."""
    try:
        if directory.is_dir():
            _check_ours(directory)
            return
        directory.mkdir(mode=0o700, parents=True)
        (directory / IGNORE).write_text("*\n")
    except OSError as error:
        raise click.ClickException(
            f"The state directory {directory} cannot be used: {error.strerror}."
        ) from error


def _check_ours(directory: Path) -> None:
    """Refuse a directory with other things in it: it would be closed to others, and written to."""
    names = {path.name for path in directory.iterdir()}
    if names - {IGNORE} and not names & OURS:
        raise click.ClickException(
            f"{directory} holds other files and no state of modal-emulator. "
            "Choose an empty or a new directory with --state-dir."
        )


def _why(error: EmulatorError | OSError, host: str, port: int) -> str:
    """Say what went wrong; a port that cannot be had comes with what to do about it."""
    cause = error.__cause__ if isinstance(error, EmulatorError) else error
    number = cause.errno if isinstance(cause, OSError) else None
    if port and number == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use. "
            "Choose another with --port, or leave it out to take a free one."
        )
    if 0 < port < 1024 and number == errno.EACCES:
        return f"Port {port} may only be opened by root. Choose one above 1023 with --port."
    return (
        error.message if isinstance(error, EmulatorError) else f"The server cannot start: {error}"
    )

"""The command `serve`: a server in the foreground, its state kept in a directory."""

import asyncio
import json
import os
import shlex
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modal_emulator import __version__
from modal_emulator.cli.findings_option import announced, findings_option
from modal_emulator.cli.reaching import telling
from modal_emulator.cli.runtime_options import runtime_options, runtime_settings
from modal_emulator.cli.schedule_options import schedule_options, schedule_rules
from modal_emulator.cli.start import started, tell
from modal_emulator.ground.errors import EmulatorError, Invalid
from modal_emulator.ground.instants import Beginning, parse_beginning, show_instant
from modal_emulator.ground.virtual import Mode, VirtualClock

if TYPE_CHECKING:
    from modal_emulator.emulator import Emulator

__all__ = ["serve"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HOSTS = ("127.0.0.1", "localhost", "::1")


def _number_or_all(_context: click.Context, _option: click.Parameter, value: str) -> int | None:
    """Read how many versions to keep; None stands for all."""
    if value == "all":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is not a number from 1, nor 'all'.")
    return int(value)


@click.command()
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".modal-emulator"),
    show_default=True,
    help="Where volumes, secrets and deployed apps are kept; made when missing.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The port to listen on; 0, the default, takes a free one.",
)
@runtime_options
@click.option(
    "--listings-per-second",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Refuse more listings of volumes than this as Modal does; without it none is refused.",
)
@click.option(
    "--keep-versions",
    callback=_number_or_all,
    default="100",
    metavar="NUMBER|all",
    show_default=True,
    envvar="MODAL_EMULATOR_KEEP_VERSIONS",
    help="How many of its newest versions each Volume keeps; `all` keeps every one.",
)
@click.option(
    "--redis",
    "keyed_store",
    default="",
    metavar="URL",
    envvar="MODAL_EMULATOR_REDIS",
    help="Keep Dicts and Queues in this Redis (redis://HOST:PORT), for all servers that share it.",
)
@click.option(
    "--addresses",
    type=click.Choice(["loopback", "modal"]),
    default="loopback",
    show_default=True,
    help="Which URLs of web functions the SDK is given: ports on this machine, or Modal's names, "
    "which clients have to be led here for.",
)
@findings_option
@schedule_options
@click.option(
    "--clock",
    metavar="INSTANT",
    help="Begin at this instant (ISO 8601, UTC without a time zone), the clock standing; "
    "with --rate it runs. `modal-emulator clock` moves it.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Let time run N times as fast as the machine's.",
)
@click.option(
    "--faults",
    "faults_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Let happen what this file of faults says (TOML); it is read again on SIGHUP.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the ready line as one JSON object on stdout."
)
def serve(
    state_dir: Path,
    host: str,
    port: int,
    listings_per_second: float | None,
    keep_versions: int | None,
    keyed_store: str,
    addresses: str,
    clock: str | None,
    rate: float | None,
    faults_file: Path | None,
    as_json: bool,
    findings: str,
    **others: Any,
) -> None:
    """
    Run a server until it is interrupted.

    Set the three variables that it prints, and the modal command and every program that uses the
    modal package speak to it. Ends in order, with exit code 0, on SIGINT (ctrl-C) and SIGTERM.
    """
    if host not in HOSTS:
        # Whoever reaches the server runs code as this user: the token is known to all.
        raise click.BadParameter(
            f"{host!r} is not a loopback address. Anyone who reaches the server can run code here.",
            param_hint="--host",
        )
    from modal_emulator.store.web_addresses import Addresses

    running = started(
        state_dir,
        host,
        port,
        **runtime_settings(others),
        listings_per_second=listings_per_second,
        versions_kept=keep_versions,
        keyed_store=keyed_store,
        addresses=Addresses(addresses),
        clock=_beginning(clock, rate),
        schedules=schedule_rules(**others),
    )
    asyncio.run(_serve(running, state_dir, as_json, faults_file, findings))


def _beginning(clock: str | None, rate: float | None) -> Beginning | None:
    if clock is None and rate is None:
        return None
    try:
        return parse_beginning("real" if clock is None else clock, rate)
    except Invalid as error:
        raise click.BadParameter(f"{error.message}.", param_hint="--clock") from None


async def _serve(
    running: AbstractAsyncContextManager["Emulator"],
    directory: Path,
    as_json: bool,
    faults_file: Path | None,
    findings: str,
) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, over.set)
    async with running as emulator:
        if faults_file is not None:
            with telling():
                _load(emulator, faults_file)
            loop.add_signal_handler(signal.SIGHUP, _load_again, emulator, faults_file)
        if emulator.notice:
            tell(emulator.notice)
        click.echo(_as_json(emulator, directory) if as_json else _as_text(emulator, directory))
        async with announced(emulator, findings):
            await over.wait()
            tell("stopping")


def _load(emulator: "Emulator", faults_file: Path) -> int:
    return len(emulator.world.planning.load(faults_file.read_text("utf-8")))


def _load_again(emulator: "Emulator", faults_file: Path) -> None:
    try:
        count = _load(emulator, faults_file)
    except (EmulatorError, OSError, UnicodeDecodeError) as error:
        tell(f"{faults_file} is left as it was: {error}")
    else:
        tell(f"{faults_file} plans {count} faults")


def _as_json(emulator: "Emulator", directory: Path) -> str:
    return json.dumps(
        {
            "env": dict(emulator.environment),
            "version": __version__,
            "state_dir": str(directory.absolute()),
            "pid": os.getpid(),
        }
    )


def _how(clock: VirtualClock) -> str:
    if clock.rate == 1:
        return "and time runs"
    return f"and time runs {clock.rate:g} times as fast" if clock.rate else "and the clock stands"


def _as_text(emulator: "Emulator", directory: Path) -> str:
    ready = f"modal-emulator {__version__} is ready at {emulator.server_url}, state in {directory}"
    if (clock := emulator.world.clock).mode is not Mode.REAL:
        ready += f"\nIt is {show_instant(clock.now())} there, {_how(clock)}."
    if port := emulator.world.web.port_by_name:
        ready += f"\nWeb functions are answered by their names on Modal at 127.0.0.1:{port}."
    exports = [f"export {k}={shlex.quote(v)}" for k, v in emulator.environment.items()]
    return "\n".join([click.style(ready, bold=True), "", *exports, "", "ctrl-C stops it."])

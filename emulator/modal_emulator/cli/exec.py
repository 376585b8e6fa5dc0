"""
The command `exec`: a server for the length of another command.

It owns that command's environment, passes signals on to it, and ends with its exit code as a
shell would state it.
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modal_emulator.cli.findings_option import findings_option, tell_findings
from modal_emulator.cli.runtime_options import runtime_options, runtime_settings
from modal_emulator.cli.start import started, tell
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.guard import pointed
from modal_emulator.runtime.kernel import die_with_parent

if TYPE_CHECKING:
    from modal_emulator.emulator import Emulator

__all__ = ["exec_"]

NOT_FOUND, NOT_EXECUTABLE, KILLED = 127, 126, 128  # as shells have them
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
FORWARDED = (*FROM_TERMINAL, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@click.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the state is kept. Without it the server starts empty and keeps nothing.",
)
@runtime_options
@findings_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def exec_(state_dir: Path | None, command: tuple[str, ...], **options: Any) -> None:
    r"""
    Run COMMAND against a server of its own.

    The environment of the command leads the modal package and command to the server and nowhere
    else: tokens, profiles and proxies of yours are left out. MODAL_ENVIRONMENT is kept, and made if
    it is missing. Ends with the command's exit code, and leaves nothing running.

    \b
    Example: modal-emulator exec -- modal run app.py
    """
    if shutil.which(command[0], path=_path()) is None:
        found = "/" in command[0] and Path(command[0]).exists()
        tell(f"{command[0]}: {'cannot be executed' if found else 'command not found'}")
        raise SystemExit(NOT_EXECUTABLE if found else NOT_FOUND)
    findings = options.pop("findings")
    running = started(state_dir, **runtime_settings(options))
    raise SystemExit(asyncio.run(_exec(running, command, findings)))


async def _exec(
    running: AbstractAsyncContextManager["Emulator"], command: Sequence[str], findings: str
) -> int:
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in FORWARDED:
        loop.add_signal_handler(number, signals.put_nowait, number)
    async with running as emulator:
        if emulator.notice:
            tell(emulator.notice)
        _make_environment(emulator)
        with tempfile.TemporaryDirectory(prefix="modal-emulator-exec-") as own:
            environment = _environment(emulator.environment, Path(own) / "modal.toml")
            if not signals.empty():
                return KILLED + signals.get_nowait()
            code = await _run(command, environment, signals)
            await tell_findings(emulator, findings)
            return code


def _make_environment(emulator: "Emulator") -> None:
    """Make the environment that the user's MODAL_ENVIRONMENT names; the command will look in it."""
    try:
        emulator.world.environments.get_or_create(os.environ.get("MODAL_ENVIRONMENT", ""))
    except EmulatorError as error:
        raise click.ClickException(f"MODAL_ENVIRONMENT: {error.message}") from error


def _path() -> str:
    """Return PATH with our own programs last: `modal` is found in a venv that is not activated."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))


def _environment(server: Mapping[str, str], config: Path) -> dict[str, str]:
    environment = {**os.environ, "PATH": _path()}
    for name, value in pointed(server, os.environ, str(config)).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


async def _run(
    command: Sequence[str], environment: Mapping[str, str], signals: "asyncio.Queue[signal.Signals]"
) -> int:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, preexec_fn=_end_with_us
        )
    except OSError as error:
        tell(f"{command[0]}: {error.strerror}")
        return NOT_EXECUTABLE
    forwarding = asyncio.create_task(_forward(signals, process))
    try:
        code = await process.wait()
    finally:
        forwarding.cancel()
    return code if code >= 0 else KILLED - code


def _end_with_us() -> None:
    """Run in the command's process: without its server it would only wait for it."""
    if sys.platform == "linux":
        die_with_parent(signal.SIGTERM)


async def _forward(
    signals: "asyncio.Queue[signal.Signals]", process: asyncio.subprocess.Process
) -> None:
    while True:
        number = await signals.get()
        if number in FROM_TERMINAL and _in_foreground():
            continue  # the terminal sent it to the whole group: the command has it already
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _in_foreground() -> bool:
    """Say whether a terminal's ctrl-C goes to our process group, and so to the command's."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)

"""
Programs that the server starts in a container of threads, beside what runs there.

A thread that visits the container starts them, so they see its files, and they are among its
programs: with it they end.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import which
from threading import Thread

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime.backend import Command, Exit
from modal_emulator.runtime.executing import Running
from modal_emulator.runtime.inline.here import Here
from modal_emulator.runtime.inline.spawning import belong
from modal_emulator.runtime.inline.visiting import visit

__all__ = ["execute"]

# Another program takes the terminal: nothing of ours can run between a fork and an exec here.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


async def execute(container: Here, working_directory: str, command: Command) -> Running:
    """
    Run a command in a container, from its directory unless another is named.

    Raises:
        Conflict: it cannot be started.
        OSError: the container has no thread any more.
    """
    loop = asyncio.get_running_loop()
    pids: list[int] = []
    running = Running(command, partial(_signal, pids))
    where = command.working_directory or working_directory
    work = partial(_start, container, command, where, running.theirs)
    try:
        pids.append(await asyncio.to_thread(visit, container, work))
    except BaseException:
        running.abandon()
        raise
    running.begin()

    def ended(how: Exit) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(running.ended, how)

    Thread(target=_outlast, args=(pids[0], ended), name=f"waits for {pids[0]}", daemon=True).start()
    return running


def _start(container: Here, command: Command, where: str, files: tuple[int, ...]) -> int:
    """On a thread in the container."""
    belong(container)
    environment = {**container.environment, **command.environment}
    arguments, has_terminal = list(command.arguments), command.terminal is not None
    if which(arguments[0], path=environment.get("PATH")) is None:
        raise Conflict(f"{arguments[0]}: No such file or directory")
    if has_terminal:
        arguments = [sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL, *arguments]
    try:
        process = subprocess.Popen(
            arguments,
            stdin=files[0],
            stdout=files[1],
            stderr=files[2],
            cwd=where,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        what = f"enter {where}" if not Path(where).is_dir() else command.arguments[0]
        raise Conflict(f"{what}: {error.strerror}") from error
    process.returncode = 0  # it is waited for in another way
    return process.pid


async def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.killpg(pid, number)


def _outlast(pid: int, ended: Callable[[Exit], None]) -> None:
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:  # it was killed with its container, which has waited for it
        ended(Exit(None, signal.SIGKILL))
        return
    code = os.waitstatus_to_exitcode(status)
    ended(Exit(code) if code >= 0 else Exit(None, -code))

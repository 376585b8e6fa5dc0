"""
A program that a warden starts in its container beside the main process.

A fork of the warden arrives in `start` and becomes the program: inside the container's root, with
its environment, three open files from the server, and nothing else of the warden's.
"""

import fcntl
import os
import signal
import socket
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime import kernel
from modal_emulator.runtime.entry import environment_of
from modal_emulator.runtime.job import Job
from modal_emulator.runtime.outline import python_needs
from modal_emulator.runtime.seccomp import Filter
from modal_emulator.runtime.shadow import shadow_of

__all__ = ["Errand", "start"]

_TROUBLE = 3
"""The descriptor by which a program that cannot be started says why; it closes with exec."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a warden has to know of a command."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    """Added to what each program of the container has."""
    working_directory: str
    has_terminal: bool

    def to_values(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "arguments": list(self.arguments),
            "environment": dict(self.environment),
            "working_directory": self.working_directory,
            "has_terminal": self.has_terminal,
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Errand":
        """Read what `to_values` gave."""
        return cls(
            arguments=tuple(values["arguments"]),
            environment=values["environment"],
            working_directory=values["working_directory"],
            has_terminal=values["has_terminal"],
        )


def start(
    errand: Errand, files: tuple[int, ...], job: Job, root: Path | None, watched: Filter | None
) -> int:
    """
    Fork, and return the program's process id once it runs.

    Raises:
        Conflict: it cannot be started; the process has been waited for.
    """
    listening, telling = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            _become(errand, (*files, telling), job, root, watched)
        finally:
            os._exit(127)
    os.close(telling)
    with os.fdopen(listening, "rb") as pipe:
        trouble = pipe.read()
    if trouble:
        os.waitpid(pid, 0)
        raise Conflict(trouble.decode(errors="replace"))
    return pid


def _become(
    errand: Errand, files: tuple[int, ...], job: Job, root: Path | None, watched: Filter | None
) -> NoReturn:
    doing = "start"
    try:
        os.setsid()
        if root is None and sys.platform == "linux":
            kernel.die_with_parent(signal.SIGKILL)
        watched = _settle(files, watched)
        if errand.has_terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        arguments, directory = errand.arguments, errand.working_directory
        if root is not None:
            os.chroot(root)
        else:
            own = (job.directory, *filter(None, (job.socket,)))
            shadow = shadow_of(job, (*python_needs(), *map(str, own)))
            arguments = tuple(map(shadow.inside, arguments))
            directory = shadow.inside(directory)
        os.umask(0o022)
        doing = f"enter {errand.working_directory}"
        if directory == job.working_directory:
            os.makedirs(directory, exist_ok=True)  # noqa: PTH103  (as the main process does)
        os.chdir(directory)
        doing = errand.arguments[0]
        _restore_signals()
        if watched is not None:
            # Last: from here on the warden answers what it is asked, and it waits for the exec.
            watched.install()
        environment = {**environment_of(job), **errand.environment}
        os.execvpe(arguments[0], arguments, environment)  # noqa: S606  (what it is for)
    except Exception as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        os.write(_TROUBLE, f"{doing}: {why}".encode())
        raise


def _settle(files: tuple[int, ...], watched: Filter | None) -> Filter | None:
    """
    Have the files as 0, 1, 2 and the way to tell of trouble, and no other one.

    But for what the filter needs, which is returned where it is now.
    """
    # Moved up first: any of them may have a number that is to be another's.
    moved = [_move_up(file) for file in files]
    kept = _move_up(watched.end.fileno()) if watched is not None else _TROUBLE
    for target, file in enumerate(moved):
        os.dup2(file, target, inheritable=target != _TROUBLE)
    os.closerange(_TROUBLE + 1, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    if watched is None:
        return None
    watched.end.detach()
    return replace(watched, end=socket.socket(fileno=kept))


def _move_up(file: int) -> int:
    return fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 10)


def _restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

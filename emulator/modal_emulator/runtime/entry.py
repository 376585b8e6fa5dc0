"""
The process in a container that runs user code: the SDK's own entrypoint.

A fork of the warden arrives here and leaves as a fresh interpreter would have started: inside
the container's root, with the plan's environment and nothing else, output to the server.
"""

import importlib
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modal_emulator.ground.clock import adopt_time_zone
from modal_emulator.runtime import kernel
from modal_emulator.runtime.becoming import restore_signals, show_time
from modal_emulator.runtime.disk import ARGUMENTS, SERVER
from modal_emulator.runtime.job import Isolation, Job
from modal_emulator.runtime.named_sockets import redirect_sockets
from modal_emulator.runtime.outline import python_needs
from modal_emulator.runtime.ports import host_of_ports, show_eth0
from modal_emulator.runtime.seccomp import Filter
from modal_emulator.runtime.shadow import shadow_of
from modal_emulator.runtime.sight_line import FarSight
from modal_emulator.runtime.standing import Standing
from modal_emulator.runtime.telling import tell_lines
from modal_emulator.runtime.watcher import Watcher

__all__ = ["Entry", "environment_of"]

_HOME = "/root"  # Modal's containers import local code from there
_LOG_SETTINGS = ("MODAL_LOGLEVEL", "MODAL_LOG_FORMAT", "MODAL_LOG_PATTERN")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the entrypoint's process has to do once it has left the warden's stack."""

    job: Job
    root: Path | None
    """The directory to make `/`; None where the machine's own root is kept."""
    output: tuple[int, int]
    standing: Standing
    watched: Filter | None = None
    """What has the kernel ask the warden about calls on volumes."""
    sight: tuple[int, int] | None = None
    """The open files by which it tells of what it does with files."""

    def run(self) -> None:
        """Become the container's main process; returns, or raises, when user code is done."""
        os.setsid()
        if self.root is None and sys.platform == "linux":
            kernel.die_with_parent(signal.SIGKILL)
        restore_signals()
        self._connect()
        show_eth0(lambda: self.job.address or host_of_ports())
        if self.job.clock_page is not None:
            show_time(self.job.clock_page, self.job.naps)
        if self.root is not None:
            os.chroot(self.root)
        # What Python needs is asked before the container's own paths are among it.
        needs = (*python_needs(), str(self.job.directory), str(self.job.socket))
        shadow = shadow_of(self.job, needs) if self.root is None else None
        _set_environment(environment_of(self.job))
        if shadow is not None:
            self.standing.redirect(shadow)
            redirect_sockets(lambda: shadow)
        elif self.job.isolation is Isolation.USER:
            self.standing.complete_renames()
        os.umask(0o022)
        os.makedirs(self.job.working_directory, exist_ok=True)  # noqa: PTH103  (redirected)
        os.chdir(self.job.working_directory)
        sys.argv[1:] = []
        tell_lines()
        if self.sight is not None:
            self.standing.tell(Watcher(self.job.mounts, FarSight(*self.sight)))
        if self.watched is not None:
            _be_watched(self.watched)
        runpy.run_module(self.job.entrypoint, run_name="__main__", alter_sys=True)

    def _connect(self) -> None:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in zip((nothing, *self.output), (0, 1, 2), strict=True):
            os.dup2(source, target)
            os.close(source)


def environment_of(job: Job) -> dict[str, str]:
    """Return what each program that begins in the container has in its environment."""
    if job.socket is None:
        return dict(job.environment)
    if job.isolation is Isolation.PLAIN:
        arguments, server = str(job.directory / "arguments"), str(job.socket)
    else:
        arguments, server = ARGUMENTS, SERVER
    return {
        **job.environment,
        "MODAL_CONTAINER_ARGUMENTS_PATH": arguments,
        "MODAL_IS_REMOTE": "1",
        "MODAL_SERVER_URL": f"unix://{server}",
    }


def _be_watched(watched: Filter) -> None:
    try:
        watched.install()
    except OSError as error:
        # Some supervisor of the machine's own does the same already, for instance.
        sys.stderr.write(f"what programs ask of volumes is not watched here: {error}\n")


def _set_environment(environment: Mapping[str, str]) -> None:
    """Do what an interpreter started with this environment would have done."""
    os.environ.clear()
    os.environ.update(environment)
    adopt_time_zone()
    added = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [_HOME, *(path for path in added if path != _HOME)]
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    importlib.invalidate_caches()
    if any(name in environment for name in _LOG_SETTINGS) and "modal" in sys.modules:
        _configure_sdk_logs(environment)


def _configure_sdk_logs(environment: Mapping[str, str]) -> None:
    # The SDK reads these settings when it is imported, which the zygote did for all containers.
    level = environment.get("MODAL_LOGLEVEL", "WARNING")
    style = environment.get("MODAL_LOG_FORMAT", "STRING")
    with suppress(ImportError, AttributeError):
        from modal import config
        from modal._utils import logger as other

        for log in (config.logger, other.logger):
            log.handlers.clear()
            other.configure_logger(log, level, style)

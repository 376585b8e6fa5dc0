"""
The command `doctor`: what this machine allows, before a test depends on it.

It changes nothing: what is tried for a moment is gone again.
"""

import platform
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import click

from modal_emulator import __version__

__all__ = ["doctor"]

LITTLE_MEMORY = 256 * 2**20
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (only looked at)


class Finding(NamedTuple):
    """One line: good or only fair; what was looked at; what was seen; what follows."""

    mark: str
    subject: str
    seen: str
    advice: str = ""


MARKS = {"good": ("ok", "green"), "fair": ("--", "yellow")}


@click.command()
def doctor() -> None:
    """
    Say what this machine allows.

    Containers are tried for real, in memory, where exec and tests keep their state, and in the
    current directory, where serve would.
    """
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir())
    findings = [
        *_versions(),
        *_machine(),
        *_containers(memory, "exec and tests"),
        *_containers(Path.cwd(), "serve, from here"),
        _docker(),
    ]
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        word, colour = MARKS[finding.mark]
        mark = click.style(word, fg=colour)
        click.echo(f"{mark}  {finding.subject:<{width}}  {finding.seen}")
        if finding.advice:
            click.echo(f"    {'':<{width}}  {finding.advice}")


def _versions() -> Iterator[Finding]:
    from packaging.version import Version

    from modal_emulator.rpc.versions import NEWEST_KNOWN

    yield Finding("good", "modal-emulator", __version__)
    yield Finding("good", "python", platform.python_version())
    installed = metadata.version("modal")
    if Version(installed) > Version(NEWEST_KNOWN):
        advice = f"newer than {NEWEST_KNOWN}, the newest that was tried; new calls may be refused"
        yield Finding("fair", "modal", installed, advice)
    else:
        yield Finding("good", "modal", installed)


def _machine() -> Iterator[Finding]:
    system = f"{platform.system()} {platform.release()}"
    if platform.system() == "Linux":
        yield Finding("good", "kernel", system)
        yield from _watching()
    else:
        yield Finding("fair", "kernel", system, "volumes are real mounts on Linux only")
    if not SHARED_MEMORY.is_dir():
        advice = "state that is not kept goes to disk, which is slower"
        yield Finding("fair", str(SHARED_MEMORY), "missing", advice)
        return
    free = shutil.disk_usage(SHARED_MEMORY).free
    seen = f"{free // 2**20} MiB free for state that is not kept"
    if free < LITTLE_MEMORY:
        yield Finding("fair", str(SHARED_MEMORY), seen, "large volumes in tests will not fit")
    else:
        yield Finding("good", str(SHARED_MEMORY), seen)


def _watching() -> Iterator[Finding]:
    from modal_emulator.runtime.kernel import can_take_files
    from modal_emulator.runtime.seccomp import refusal

    why = refusal()
    if blind := why or ("" if can_take_files() else "no pidfd_getfd"):
        advice = "two containers cannot serve the same port, and none can have a proxy"
        yield Finding("fair", "ports", f"containers share the machine's: {blind}", advice)
    else:
        yield Finding("good", "ports", "each container that mounts, of processes, has its own")
    if why:
        advice = "hard links on volumes of version 1 work, `sync` commits none of version 2"
        yield Finding("fair", "calls on volumes", f"cannot be watched: {why}", advice)
    else:
        yield Finding("good", "calls on volumes", "are watched, where containers mount them")


def _docker() -> Finding:
    from modal_emulator.ground.errors import EmulatorError
    from modal_emulator.runtime.docker.daemon import connect

    try:
        seen = f"{connect().version}: runtime docker builds images and runs functions in them"
    except EmulatorError as error:
        return Finding("fair", "docker", error.message, "the other runtimes need none")
    return Finding("good", "docker", seen)


def _containers(place: Path, whose: str) -> Iterator[Finding]:
    """Look at one place: an overlay that works in memory may not work on the disk's file system."""
    from modal_emulator.runtime.job import Isolation
    from modal_emulator.runtime.probe import probe

    words = {
        Isolation.ROOT: "own mounts and processes, as root",
        Isolation.USER: "own mounts and processes, in a user namespace",
        Isolation.PLAIN: "plain processes; only Python's own file functions see volumes",
    }
    try:
        with tempfile.TemporaryDirectory(prefix=".modal-emulator-doctor-", dir=place) as scratch:
            found = probe(Path(scratch))
    except OSError as error:
        yield Finding("fair", whose, f"{place}: {error.strerror}", "no state can be kept there")
        return
    mark = "fair" if found.isolation is Isolation.PLAIN else "good"
    why = f"no better, because: {'; '.join(found.refusals)}" if found.refusals else ""
    yield Finding(mark, whose, words[found.isolation], why)

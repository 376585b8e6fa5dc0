"""
The command `doctor`: what this machine allows, before a test depends on it.

It only looks. What a container can do is asked of the backend that would be picked.
"""

import asyncio
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import click

from modal_emulator import __version__

__all__ = ["doctor"]

LITTLE_MEMORY = 256 * 2**20
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (only looked at)


class Finding(NamedTuple):
    """One line: good, so so, or bad; what was looked at; what was seen; what follows."""

    mark: str
    subject: str
    seen: str
    advice: str = ""


MARKS = {"good": ("ok", "green"), "fair": ("--", "yellow"), "bad": ("!!", "red")}


@click.command()
def doctor() -> None:
    """
    Say what this machine allows.

    Ends with exit code 1 if the emulator cannot work here.
    """
    findings = [*_versions(), *_machine(), *asyncio.run(_containers())]
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        word, colour = MARKS[finding.mark]
        mark = click.style(word, fg=colour)
        click.echo(f"{mark}  {finding.subject:<{width}}  {finding.seen}")
        if finding.advice:
            click.echo(f"    {'':<{width}}  {finding.advice}")
    if any(finding.mark == "bad" for finding in findings):
        raise SystemExit(1)


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


async def _containers() -> Iterable[Finding]:
    from modal_emulator.ground.errors import EmulatorError
    from modal_emulator.runtime.backend import Capability
    from modal_emulator.runtime.pick import pick
    from modal_emulator.world import Settings

    with tempfile.TemporaryDirectory(prefix="modal-emulator-doctor-") as scratch:
        try:
            backend = pick(Settings(), Path(scratch))
        except EmulatorError as error:
            return [Finding("bad", "containers", error.message)]
        findings = [
            Finding(
                "good" if capability in backend.offers else "fair",
                capability.name.lower().replace("_", " "),
                capability.value if capability in backend.offers else f"no: {capability.value}",
            )
            for capability in Capability
        ]
        if backend.notice:
            findings.append(Finding("fair", "containers", backend.notice))
        await backend.close()
        return findings

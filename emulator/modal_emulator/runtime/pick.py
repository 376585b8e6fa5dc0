"""
Choosing where containers run.

The one place that knows the names of backends.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from modal_emulator.ground.errors import Invalid
from modal_emulator.runtime.backend import Backend
from modal_emulator.runtime.docker.backend import DockerBackend
from modal_emulator.runtime.docker.daemon import connect
from modal_emulator.runtime.inline.backend import InlineBackend
from modal_emulator.runtime.inline.copied import CopiedPlaces
from modal_emulator.runtime.inline.mounted import MountedPlaces
from modal_emulator.runtime.inline.namespace import can_mount
from modal_emulator.runtime.inline.place import Places
from modal_emulator.runtime.inline.program import Programs
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.process import ProcessBackend

__all__ = ["AUTO", "Choice", "pick", "resolve"]

AUTO = "auto"
"""The best runtime for tests that this process can have."""


class Choice(Protocol):
    """The settings that decide."""

    @property
    def runtime(self) -> str:
        """The name of a backend."""
        ...

    @property
    def docker_network(self) -> str:
        """Docker's word for the network of its containers."""
        ...

    @property
    def isolation(self) -> str:
        """How containers are kept apart, or an empty string for the best there is."""
        ...


def resolve(runtime: str, *, threads: bool = True) -> str:
    """
    Return the name of the runtime that is meant, also for `AUTO`.

    That is `inline` where there may be containers of `threads` and this process may mount for
    them, else `process`: inline with copied volumes sees less than a process that mounts, and
    whoever wants it asks for it.
    """
    if runtime != AUTO:
        return runtime
    return "inline" if threads and can_mount() else "process"


def pick(choice: Choice, directory: Path, programs: Programs | None = None) -> Backend:
    """
    Return the backend that the settings name, which keeps its files in `directory`.

    Containers do not see the directory that `directory` is in: it is the server's own. `programs`
    makes what runs in containers of threads, where this process may have such containers.

    Raises:
        Invalid: the emulator does not know the name, or cannot have it here.
    """
    isolation = _isolation(choice.isolation)
    runtime = resolve(choice.runtime, threads=programs is not None)
    hide = (directory.absolute().parent,)
    if runtime == "process":
        return ProcessBackend(directory, isolation=isolation, hide=hide)
    if runtime == "inline":
        if programs is None:
            raise Invalid(
                "the runtime 'inline' is for tests, in the process of their functions, "
                "with the transport 'memory'"
            )
        return InlineBackend(directory, _places(directory, isolation, hide), programs)
    if runtime == "docker":
        if isolation is not None:
            raise Invalid("containers of Docker have no other isolation than Docker's")
        return DockerBackend(directory, connect(), choice.docker_network)
    known = "'inline', 'process', 'docker' and 'auto'"
    raise Invalid(f"unknown runtime {runtime!r}; the known ones are {known}")


def _places(directory: Path, isolation: Isolation | None, hide: Sequence[Path]) -> Places:
    if isolation is Isolation.PLAIN:
        return CopiedPlaces(directory, hide=hide)
    standing = can_mount(directory)
    if standing.isolation is None or isolation not in (None, standing.isolation):
        raise Invalid(
            f"this process may not mount for containers of threads ({standing.why or 'as asked'}); "
            "runtime 'process' may be able to, isolation 'plain' goes without. Where ordinary "
            "users may have namespaces, `modal_runtime = inline` in pytest's configuration or "
            "`--modal-runtime inline` has the plugin enter one early"
        )
    return MountedPlaces(directory, standing.isolation, hide)


def _isolation(name: str) -> Isolation | None:
    if not name:
        return None
    try:
        return Isolation(name)
    except ValueError:
        known = ", ".join(repr(each.value) for each in Isolation)
        raise Invalid(f"unknown isolation {name!r}; the known ones are {known}") from None

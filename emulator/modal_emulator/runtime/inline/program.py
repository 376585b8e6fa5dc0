"""
The seam between a container of threads and what runs in it.

The SDK's own entrypoint owns a whole process (signals, singletons, the import of user code). In a
container of threads a `Program` does its work with the SDK's parts; it is made by floors above,
which know the SDK.
"""

from collections.abc import Callable
from typing import Protocol

from modal_emulator.runtime.backend import Plan
from modal_emulator.runtime.inline.here import Here

__all__ = ["Program", "Programs"]


class Program(Protocol):
    """Runs one container's inputs."""

    def run(self) -> int:
        """
        On the container's main thread, in its place, with `HERE` set: work until told to leave.

        Returns the exit code. Whatever it raises ends the container with code 1.
        """
        ...

    def interrupt(self) -> None:
        """From any thread: end in order, as an entrypoint does on SIGINT; may come twice."""
        ...

    def is_deaf(self) -> bool:
        """Say whether user code has not met the interrupt yet, because it waits in C."""
        ...

    def abandon(self) -> None:
        """From any thread: break off user code wherever Python can; nobody listens any more."""
        ...


Programs = Callable[[Plan, Here], Program]
"""Makes the program of a container; called on the event loop before its threads start."""

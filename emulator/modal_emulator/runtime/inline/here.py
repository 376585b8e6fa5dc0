"""
Which container the running code belongs to.

A context variable says it: set in a container's main thread, it goes along with the SDK's calls,
blocking or not, onto the SDK's own thread, and with every task that is made on the way. Threads
that user code starts get it from `spawning`. Code of the test itself runs in no container.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from modal_emulator.runtime.inline.killing import Kill

__all__ = ["CLIENT", "HERE", "Client", "Here", "here"]


@dataclass(slots=True, eq=False)
class Here:
    """A container, as the code that runs in it meets it."""

    container_id: str
    environment: dict[str, str] = field(repr=False)
    """What `os.environ` shows to its code; changes stay in the container."""
    on_output: Callable[[int, bytes], None]
    """Takes what is written to its standard output (1) or error (2); from any thread."""
    paths: Any = field(default=None, repr=False)
    """How its code names files, where Python's own file functions are redirected for it."""
    manager: Any = None
    """What the SDK finds as its `_ContainerIOManager._singleton` in this container."""
    naps: Any = None
    """How its code sleeps while the emulator's clock is not the machine's."""
    unlinked: tuple[str, ...] = ()
    """Where volumes are in which no hard link can be made."""
    threads: WeakSet[Thread] = field(default_factory=WeakSet, repr=False)
    """Its main thread and all that were started from there, as far as they are not garbage."""
    outlets: Callable[[], tuple[int, int]] | None = field(default=None, repr=False)
    """Returns the open files that its programs get for their output and error, from any thread."""
    locks: WeakKeyDictionary[Any, Any] = field(default_factory=WeakKeyDictionary, repr=False)
    """The SDK's locks on volumes, by the handle."""
    children: set[int] = field(default_factory=set, repr=False)
    """The processes that its threads have started and that may still run."""
    watcher: Any = field(default=None, repr=False)
    """Who sees what its code does with files, if anybody does."""
    kill: Kill = field(default_factory=Kill, repr=False)
    """Whether it was killed."""
    die: Callable[[Any], object] | None = field(default=None, repr=False)
    """From any thread: end it at once, as this `Exit` says."""
    console: Any = field(default=None, repr=False)
    """What `console` keeps of it."""


HERE: ContextVar[Here | None] = ContextVar("modal_emulator_here", default=None)


class Client:
    """A thread outside of containers whose calls of the SDK can be broken off."""

    def __init__(self) -> None:
        self._calls: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}

    @contextmanager
    def calling(self) -> Iterator[None]:
        """For the length of the block, the task that runs it waits for an answer."""
        task = asyncio.current_task()
        assert task is not None
        self._calls[task] = asyncio.get_running_loop()
        try:
            yield
        finally:
            del self._calls[task]

    def break_off(self) -> None:
        """Cancel what waits for an answer now; from any thread."""
        for task, loop in tuple(self._calls.items()):
            with suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(task.cancel)


CLIENT: ContextVar[Client | None] = ContextVar("modal_emulator_client", default=None)


def here() -> Here | None:
    """Return the container that the caller runs in, or None outside of any."""
    return HERE.get()

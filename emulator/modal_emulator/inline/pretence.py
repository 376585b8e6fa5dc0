"""
What the SDK tells user code about where it runs, in containers of threads.

The SDK keeps one container per process in `_ContainerIOManager._singleton` and its like, and asks
there for `modal.is_local()`, `modal.interact()` and the input concurrency. Where it asks, a
stand-in answers for the container that the caller runs in.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Generator
from pathlib import PurePosixPath
from typing import Any

from modal_proto import api_pb2

from modal_emulator.inline.breaking import sleep_in_pieces
from modal_emulator.inline.exchange import Ask
from modal_emulator.inline.naps import nap_in_tasks
from modal_emulator.inline.post import Post
from modal_emulator.inline.refusals import refuse
from modal_emulator.inline.webs import DataIn
from modal_emulator.rpc.compat import known
from modal_emulator.runtime.inline.here import here
from modal_emulator.runtime.inline.visiting import directories_of, visit
from modal_emulator.runtime.ports import host_of_ports, show_eth0
from modal_emulator.runtime.replacing import wrap_one

__all__ = ["Manager", "pretend"]

# Where the SDK looks, in releases from 1.0.0 to 1.6.4; what a release lacks is left out.
_PLACES = {
    "modal._runtime.execution_context": ("_ContainerIOManager", "_TaskLifecycleManager"),
    "modal.experimental": ("_ContainerIOManager",),
}


class Manager:
    """Stands for the SDK's manager of one container."""

    def __init__(self, arguments: api_pb2.ContainerArguments, ask: Ask, post: Post) -> None:
        self.task_id = arguments.task_id
        self.function_id = arguments.function_id
        self.function_def = arguments.function_def
        self.get_data_in = DataIn(post.given)
        self._ask = ask
        self._post = post

    async def interact(self, from_breakpoint: bool = False) -> None:
        """Refuse, as the SDK does where no terminal was asked for."""
        from modal.exception import InvalidError

        trigger = "breakpoint()" if from_breakpoint else "modal.interact()"
        raise InvalidError(f"Cannot use {trigger} without running Modal in interactive mode.")

    def get_input_concurrency(self) -> int:
        """Return how many inputs the container takes at once."""
        return self._post.concurrency

    def set_input_concurrency(self, concurrency: int) -> None:
        """Take so many at once from now on; what runs goes on."""
        self._post.set_concurrency(concurrency)

    def stop_fetching_inputs(self) -> Awaitable[None]:
        """Take no more inputs after those at hand; older SDKs do not await what this returns."""
        self._post.finish_up()
        return _Stopping(self._ask, self.task_id)


class _Stopping:
    """Tells the server, when it is awaited, that a container is about to leave."""

    def __init__(self, ask: Ask, task_id: str) -> None:
        self._ask = ask
        self._task_id = task_id

    def __await__(self) -> Generator[Any, None, None]:
        """Tell it."""
        request = known(api_pb2.ContainerStopRequest, task_id=self._task_id, graceful=True)
        yield from self._ask("ContainerStop", request).__await__()


class _Standing:
    """What the SDK finds where it keeps a class with a singleton."""

    def __init__(self, original: Any) -> None:
        self._original = original

    @property
    def _singleton(self) -> Any:
        container = here()
        return self._original._singleton if container is None else container.manager

    def __getattr__(self, name: str) -> Any:
        container = here()
        return getattr(self._original if container is None else container.manager, name)


class _Clients:
    """Stands for the SDK's class of clients where it asks them whether they are a container's."""

    def __init__(self, original: Any) -> None:
        self._original = original

    async def from_env(self) -> Any:
        """Return the client of whoever asks."""
        client = await self._original.from_env()
        return client if here() is None else _OfContainer(client)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class _OfContainer:
    """The process's client, used in a container."""

    client_type = api_pb2.CLIENT_TYPE_CONTAINER

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def pretend() -> Callable[[], None]:
    """Put the stand-ins in their places; returns what takes them away again."""
    takers = [sleep_in_pieces(), nap_in_tasks(), refuse(), *_annotate_in_place()]
    takers += _lock_for_each()
    takers.append(show_eth0(lambda: None if here() is None else host_of_ports()))
    for module_name, names in _PLACES.items():
        module = importlib.import_module(module_name)
        for name in names:
            if hasattr(module, name):
                takers.append(wrap_one(module, name, _Standing))
    tunnels = importlib.import_module("modal._tunnel")
    takers.append(wrap_one(tunnels, "_Client", _Clients))

    def take_away() -> None:
        for take in reversed(takers):
            take()

    return take_away


def _annotate_in_place() -> list[Callable[[], None]]:
    """
    Have the SDK look for open files where the container sees them.

    After a reload that was refused, it looks from its own thread for what holds the volume.
    """
    module, name = importlib.import_module("modal.volume"), "_open_files_error_annotation"
    return [wrap_one(module, name, _annotating)] if hasattr(module, name) else []


def _annotating(original: Callable[[str], str | None]) -> Callable[[str], str | None]:
    def annotate(mount_path: str) -> str | None:
        def look() -> str | None:
            while True:
                try:
                    return original(mount_path)
                except ProcessLookupError:
                    # It does not expect that a process ends while it reads of it. In a container
                    # of Modal's there is hardly one to end; here it sees all of the machine.
                    continue

        container = here()
        if container is None:
            return original(mount_path)
        # The process's own working directory is its first thread's, which is the test's.
        for directory in visit(container, lambda: directories_of(container)):
            if PurePosixPath(directory).is_relative_to(mount_path):
                return "cwd is inside volume"
        return visit(container, look)

    return annotate


def _lock_for_each() -> list[Callable[[], None]]:
    """
    Have the SDK keep commits and reloads of one handle in a row for each container by itself.

    Containers of threads may share the handle, which on Modal each has for itself.
    """
    volumes = importlib.import_module("modal.volume")._Volume
    return [wrap_one(volumes, "_get_lock", _locking)] if hasattr(volumes, "_get_lock") else []


def _locking(original: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    async def get_lock(volume: Any) -> Any:
        container = here()
        if container is None:
            return await original(volume)
        return container.locks.setdefault(volume, asyncio.Lock())

    return get_lock

"""
Which thread's event loop an emulator lives on, and the way onto it from other threads.

Either a thread of its own, or the one on which this process's SDK does its work: there a call of
the SDK finds its answer without another change of threads. Nothing here knows what runs on it.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Any, TypeVar

from modal_emulator.ground.errors import EmulatorError

__all__ = ["Host", "own_thread", "sdk_thread"]

T = TypeVar("T")


class Host:
    """An event loop that runs on some thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Do something on the loop and return what comes of it; from any other thread.

        Raises:
            RuntimeError: this is the loop's own thread, which cannot wait for itself.
        """
        __tracebackhide__ = True
        if _running() is self.loop:
            work.close()
            raise RuntimeError(
                "this would wait for itself: the emulator lives on the thread that asks it. "
                "Ask from the test, or from a thread of its own (asyncio.to_thread)"
            )
        # What is started for it belongs to nobody's container, whoever calls.
        begin = asyncio.run_coroutine_threadsafe
        try:
            return Context().run(begin, work, self.loop).result()
        except EmulatorError as error:
            # Where in the emulator it was raised tells a test nothing.
            raise error.with_traceback(None) from None


@contextmanager
def own_thread() -> Iterator[Host]:
    """Run an event loop on a thread of its own for the length of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="modal-emulator", daemon=True)
    thread.start()
    host = Host(loop)
    try:
        yield host
    finally:
        host.run(_settle())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def sdk_thread() -> Iterator[Host]:
    """Use the event loop of this process's SDK; it goes on afterwards."""
    # The SDK has no public name for it; this one is there from 1.0.0 to 1.6.4, and what it is used
    # for is public in the library that it comes from: making a coroutine function a blocking one.
    from modal._utils.async_utils import synchronizer

    async def loop() -> list[asyncio.AbstractEventLoop]:
        return [asyncio.get_running_loop()]

    (found,) = synchronizer.create_blocking(loop)()
    yield Host(found)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _settle() -> None:
    """Let cancelled tasks end before their loop does."""
    tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()

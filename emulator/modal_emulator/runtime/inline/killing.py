"""
The kill of a container of threads, as its code meets it.

A process that is killed does nothing any more; a thread cannot be stopped so. Instead nothing that
it does counts any more. Where it comes to a step, a call of the SDK, a file function that is
watched or a sleep, it stands until all that the kill leaves of the container is settled. Then it is
broken off by an exception, and again at each step that it comes to on its way out.
"""

import asyncio
import ctypes
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock
from typing import Any, NoReturn, TypeVar

__all__ = ["Abandoned", "AbandonedLoop", "Kill", "break_in"]

T = TypeVar("T")

_LOCK = Lock()


class Abandoned(BaseException):
    """The container was taken away under the code that ran in it."""


class AbandonedLoop(Abandoned, KeyboardInterrupt):
    """The same for a thread that runs an event loop: asyncio lets only an interrupt through."""


def break_in(thread: int, error: type[BaseException]) -> None:
    """Have a thread, known by `threading.get_ident`, raise this at its next line of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


class Kill:
    """Whether one container was killed; what its code asks of others is kept here till then."""

    __slots__ = ("_break", "_calls", "_over", "_streams", "has_held")

    def __init__(self) -> None:
        self._over: Future[None] | None = None
        self._calls: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}
        self._streams: dict[object, Callable[[], object]] = {}
        self._break: Callable[[], object] = _nothing
        self.has_held = False
        """Whether a thread stood, or waited for an answer, and goes on for certain when let go."""

    @property
    def has_come(self) -> bool:
        """Say whether nothing that the container does counts any more."""
        return self._over is not None

    def come(self) -> None:
        """From any thread: end what it asks for now, and let its threads stand where they come."""
        with _LOCK:
            if self._over is None:
                self._over = Future()
        for task, loop in tuple(self._calls.items()):
            if loop is _running():
                task.cancel()
            else:
                with suppress(RuntimeError):  # its loop is closed
                    loop.call_soon_threadsafe(task.cancel)

    def let_go(self, break_off: Callable[[], object]) -> None:
        """All is settled: have the threads end, by `break_off`, which is called again at steps."""
        assert self._over is not None, "it has come"
        if self._over.done():
            return
        self._break = break_off
        break_off()  # first: who wakes up meets it at once
        self._over.set_result(None)
        for end in tuple(self._streams.values()):
            with suppress(RuntimeError):  # its loop is closed
                end()

    def wait(self) -> None:
        """On the keeper: return when the threads are let go."""
        if self._over is not None:
            self._over.result()

    def stand(self) -> None:
        """On a thread of the container: if it was killed, wait until threads are let go."""
        if self._over is not None:
            self.has_held |= not self._over.done()
            self._over.result()
            for _ in range(2):  # the exception comes where Python goes back to the head of a loop
                pass

    def meet(self) -> None:
        """
        Do so, and go no further.

        Raises:
            Abandoned: the container was killed.
        """
        if self._over is not None:
            self.stand()
            raise Abandoned if _running() is None else AbandonedLoop

    async def answering(self, work: Callable[[], Awaitable[T]], *, waits: bool = False) -> T:
        """
        Return what answers a call of the container; one that was killed hears nothing.

        `waits` says that a thread of the container waits for it.

        Raises:
            CancelledError: it was killed.
        """
        if self._over is not None:
            await self.refuse()
        task = asyncio.current_task()
        assert task is not None
        self._calls[task] = asyncio.get_running_loop()
        try:
            return await work()
        except asyncio.CancelledError:
            self.has_held |= waits
            await self._settled()
            raise
        finally:
            self._calls.pop(task, None)

    async def refuse(self) -> NoReturn:
        """
        Answer a call of a container that was killed.

        Raises:
            CancelledError: as soon as its threads are let go.
        """
        await self._settled()
        self._break()  # who calls has not let itself be broken off
        raise asyncio.CancelledError

    def streams(self, stream: object, end: Callable[[], object]) -> None:
        """A stream has begun, which `end` ends when the container is killed; from any thread."""
        self._streams[stream] = end

    def forget(self, stream: object) -> None:
        """A stream is over."""
        self._streams.pop(stream, None)

    async def _settled(self) -> None:
        if self._over is not None and not self._over.done():
            await asyncio.shield(asyncio.wrap_future(self._over))


def _running() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, if one does."""
    return asyncio._get_running_loop()


def _nothing() -> None:
    pass

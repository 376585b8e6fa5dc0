"""
Work that a thread has another thread's loop do, and that does not outlast the thread's wait.

Into a thread that runs user code an exception may be put at any line, also between the line that
begins something and the one that sees to its end. So the work has a name before it begins: `begin`
comes inside of the `try` whose `finally` calls `end`, and that ends whatever has begun by then.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from threading import Lock
from typing import Any, Generic, TypeVar

__all__ = ["Abroad"]

T = TypeVar("T")


class Abroad(Generic[T]):
    """One coroutine on another thread's loop; one thread waits for it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> None:
        """It runs in a context of its own: what it does belongs to no container."""
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._is_over = False
        # A Condition, as in a Future, is left broken by an exception in the middle of its waiting.
        self._running = Lock()

    def begin(self) -> None:
        """
        Have it begun.

        Raises:
            RuntimeError: the loop is closed.
        """
        self._running.acquire()
        self._loop.call_soon_threadsafe(self._begin, context=Context())

    def wait(self, seconds: float) -> bool:
        """Wait for so long at most; say whether it is over."""
        return self._is_over or self._running.acquire(timeout=seconds)

    def result(self) -> T:
        """Return what came of it once it is over, or raise that."""
        assert self._task is not None
        return self._task.result()

    def end(self) -> None:
        """Cancel it unless it is over; it may never have been begun."""
        if not self._is_over:
            with suppress(RuntimeError):  # the loop is closed, and nothing runs there
                self._loop.call_soon_threadsafe(self._end, context=Context())

    # ------------------------------------------------------- on the loop, in the order of calls

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._work())
        self._task.add_done_callback(self._over)

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _over(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # asyncio need not say that nobody asked: the thread was broken off
        self._is_over = True
        self._running.release()

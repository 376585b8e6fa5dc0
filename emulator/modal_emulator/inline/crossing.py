"""
From other threads onto a loop: many words in one go.

To wake a loop costs a system call and a change of threads; who is to be woken already needs no
second one.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

__all__ = ["Crossing"]


class Crossing:
    """The way onto one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._is_told = False

    def tell(self, callback: Callable[..., object], *arguments: Any) -> None:
        """
        From any thread: have the loop call back, in the order of telling and outside containers.

        Raises:
            RuntimeError: the loop is closed.
        """
        self._waiting.append((callback, arguments))
        if not self._is_told:
            self._is_told = True
            try:
                self.loop.call_soon_threadsafe(self._arrive, context=Context())
            except RuntimeError:
                self._is_told = False
                raise

    def _arrive(self) -> None:
        self._is_told = False  # first, so that nothing that comes now is left lying
        while self._waiting:
            callback, arguments = self._waiting.popleft()
            self.loop.call_soon(callback, *arguments, context=Context())

"""
Who asks the SDK for something: which lines of user code stand behind the running call.

A call of the SDK goes through one of two functions of synchronicity's, a blocking one or an
asynchronous one. There the caller is noted in a context variable, which goes along with the call
onto the SDK's own loop and into every task that it makes. A blocking call leaves its thread where
it was, so its lines are read off the stack only when somebody wants them.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from threading import Lock
from types import FrameType
from typing import Any

from modal_emulator.runtime.replacing import wrap_one
from modal_emulator.runtime.stacks import lines_of

__all__ = ["NOTING", "Noting", "asking_lines"]


class _Asker:
    """A thread that waits in a blocking call."""

    __slots__ = ("_frame", "_lines")

    def __init__(self, frame: FrameType) -> None:
        self._frame: FrameType | None = frame
        self._lines: tuple[str, ...] | None = None

    def lines(self) -> tuple[str, ...]:
        """Return its lines; from any thread."""
        if self._lines is None:
            self._lines = lines_of(self._frame)
        return self._lines

    def goes_on(self) -> None:
        """The call is over; what it has begun may go on, and must not keep the caller's values."""
        self._frame = None


_ASKER: ContextVar[_Asker | tuple[str, ...]] = ContextVar("modal_emulator_asker", default=())


def asking_lines() -> tuple[str, ...]:
    """Return the lines of user code that asked for what the running code does."""
    asker = _ASKER.get()
    return asker if type(asker) is tuple else asker.lines()  # type: ignore[union-attr]


class Noting:
    """Has askers noted while anybody wants that."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._takers = 0
        self._undo: list[Callable[[], None]] = []

    def take(self) -> None:
        """From now on, note who asks."""
        from synchronicity.synchronizer import Synchronizer

        with self._lock:
            self._takers += 1
            if self._takers == 1:
                self._undo = [
                    wrap_one(Synchronizer, "_run_function_sync", _blocking),
                    wrap_one(Synchronizer, "_run_function_async", _asynchronous),
                ]

    def give_back(self) -> None:
        """End that when nobody else has taken it."""
        with self._lock:
            self._takers -= 1
            if not self._takers:
                for undo in self._undo:
                    undo()


NOTING = Noting()
"""The one of this process, which has the SDK only once."""


def _blocking(original: Any) -> Any:
    @wraps(original)
    def noting(*args: Any) -> Any:
        asker = _Asker(sys._getframe(1))
        before = _ASKER.set(asker)
        try:
            return original(*args)
        finally:
            _ASKER.reset(before)
            asker.goes_on()

    return _hidden(noting, original)


def _asynchronous(original: Any) -> Any:
    @wraps(original)
    async def noting(*args: Any) -> Any:
        lines = lines_of(sys._getframe(1))
        if not lines:  # the SDK asks itself, on behalf of whoever is noted already
            return await original(*args)
        before = _ASKER.set(lines)
        try:
            return await original(*args)
        finally:
            with suppress(ValueError):  # it is closed as garbage, in whichever context
                _ASKER.reset(before)

    return _hidden(noting, original)


def _hidden(noting: Any, original: Any) -> Any:
    # Synchronicity takes frames of its own files out of what is raised, up to the first other one.
    noting.__code__ = noting.__code__.replace(co_filename=original.__code__.co_filename)
    return noting

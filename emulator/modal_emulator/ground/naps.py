"""
Sleeping on another process's clock, without asking it anything.

Who sleeps writes the instant of waking where the clock's owner can see it, and looks at the clock
every few milliseconds. The owner looks in turn, when it wants to know whether anything is at work.
Only the main thread sleeps so: of others nobody knows whether the work waits for them.
"""

import mmap
import os
import struct
import sys
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from modal_emulator.ground.clock import replace_sleep
from modal_emulator.ground.clockpage import Look

__all__ = ["Note", "sleep_by"]

_UNTIL = struct.Struct("@d")
_AWAKE = float("nan")
_LOOK = 0.002  # the machine's seconds by which one may wake late


class Note:
    """Until when somebody sleeps: one number in memory that two processes share."""

    def __init__(self, path: Path, *, make: bool = False) -> None:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
        try:
            if make:
                os.ftruncate(file, _UNTIL.size)
            self._memory = mmap.mmap(file, _UNTIL.size)
        finally:
            os.close(file)
        if make:
            self.write(None)

    def write(self, until: float | None) -> None:
        """Say until when, in seconds since 1970; None is awake."""
        _UNTIL.pack_into(self._memory, 0, _AWAKE if until is None else until)

    def read(self) -> float | None:
        """Return until when, None for awake."""
        (until,) = _UNTIL.unpack_from(self._memory)
        return None if until != until else until


def sleep_by(look: Look, note: Note, ignored: tuple[str, ...] = ()) -> Callable[[], None]:
    """
    Have the main thread's `time.sleep` sleep by that clock; returns what takes that back.

    Code in modules whose names begin like one of the `ignored` sleeps by the machine's.
    """

    def by_that_clock(original: Callable[[float], None]) -> Callable[[float], None]:
        @wraps(original)
        def sleep(seconds: float, /) -> None:
            now = look()
            is_main = threading.current_thread() is threading.main_thread()
            if now is None or not is_main or not isinstance(seconds, (int, float)):
                return original(seconds)
            if sys._getframe(1).f_globals.get("__name__", "").startswith(ignored):
                return original(seconds)
            until = now + seconds
            note.write(until)
            try:
                while now is not None and now < until:
                    original(_LOOK)
                    now = look()
            finally:
                note.write(None)
            return None

        return sleep

    return replace_sleep(by_that_clock)

"""
Breaking into Python code that runs on another thread.

A process is interrupted by a signal, which ends a sleep and a read at once. A thread can only be
given an exception that it meets at its next line of Python: code that waits in C, say for a lock,
meets it when the wait is over. `time.sleep`, where most code that is interrupted stands, therefore
waits in short pieces inside containers. While the emulator's clock is not the machine's, it waits
on that, but for the SDK's own code, which waits for what the machine does.
"""

import sys
from collections.abc import Callable
from functools import wraps

from modal_emulator.ground.clock import monotonic, replace_sleep
from modal_emulator.runtime.inline.here import here
from modal_emulator.runtime.inline.spawning import home
from modal_emulator.sdk import MODULES

__all__ = ["interruption", "sleep_in_pieces"]

_PIECE = 0.02  # seconds; what an interrupted sleep may take longer


def interruption() -> tuple[type[KeyboardInterrupt], Callable[[], bool]]:
    """Return a KeyboardInterrupt to break in with, and what tells whether it was met."""
    met = []

    class Interrupted(KeyboardInterrupt):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            met.append(True)  # the thread makes it when it meets it

    Interrupted.__name__ = Interrupted.__qualname__ = "KeyboardInterrupt"
    Interrupted.__module__ = "builtins"
    return Interrupted, lambda: bool(met)


def sleep_in_pieces() -> Callable[[], None]:
    """Have `time.sleep` do so inside containers; returns what takes that back."""

    def in_pieces(original: Callable[[float], None]) -> Callable[[float], None]:
        @wraps(original)
        def sleep(seconds: float, /) -> None:
            container = here()
            if container is None or not isinstance(seconds, (int, float)) or not seconds > 0:
                return original(seconds)
            if home() is container:
                container.kill.meet()
            naps = None if _caller().startswith(MODULES) else container.naps
            end, left = monotonic() + seconds, seconds
            while left > 0:
                if naps is not None and naps.are_due:
                    naps.sleep(left, _PIECE)
                    return None
                original(min(left, _PIECE))
                left = end - monotonic()
            return None

        return sleep

    return replace_sleep(in_pieces)


def _caller() -> str:
    """Return who sleeps: of two emulators in a process the sleep of one calls that of the other."""
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "") == __name__ and frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))

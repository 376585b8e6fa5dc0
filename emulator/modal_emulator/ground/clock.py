"""
The emulator's time.

Everything that waits or stamps asks a `Clock`; only this room touches the system's.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = [
    "Clock",
    "SystemClock",
    "adopt_time_zone",
    "breathe",
    "monotonic",
    "replace_sleep",
    "rest",
]


class Clock(Protocol):
    """Tells the time in seconds since 1970 and waits for spans of it."""

    def now(self) -> float:
        """Return the present instant, seconds since 1970, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of this clock."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the present instant, seconds since 1970, UTC."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait on asyncio's loop."""
        await asyncio.sleep(seconds)


def adopt_time_zone() -> None:
    """Follow the environment variable TZ as it is now; Python reads it at start only."""
    time.tzset()


async def breathe() -> None:
    """Let everything else that is ready on the loop go first; no time of the story passes."""
    await asyncio.sleep(0)


def rest(seconds: float) -> None:
    """Wait in a process that has no loop, for the machine and not for an event of the story."""
    time.sleep(seconds)


def monotonic() -> float:
    """Return the machine's seconds since some instant, for spans of waiting only."""
    return time.monotonic()


def replace_sleep(
    replacement: Callable[[Callable[[float], None]], Callable[[float], None]],
) -> Callable[[], None]:
    """Put what `replacement` makes of `time.sleep` in its place; returns what takes it back."""
    original = time.sleep
    time.sleep = replacement(original)  # type: ignore[assignment]

    def take_back() -> None:
        time.sleep = original

    return take_back

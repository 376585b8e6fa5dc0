"""
The emulator's time, as those see it who stamp and wait.

Everything that waits or stamps asks a `Clock`; only this room and `virtual`, where the clock that
tests move is, touch the system's.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

__all__ = [
    "Clock",
    "Timer",
    "adopt_time_zone",
    "breathe",
    "coarse_ns",
    "machine_time",
    "machine_time_ns",
    "monotonic",
    "put_machine_clocks",
    "replace_sleep",
    "rest",
]


class _Machine:
    """The machine's clocks, by functions that freezegun leaves alone; it may be at work already."""

    instant: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_REALTIME)
    monotonic: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    gettime_ns: Callable[[int], int] = staticmethod(time.clock_gettime_ns)
    coarse = 5 if sys.platform == "linux" else time.CLOCK_REALTIME  # CLOCK_REALTIME_COARSE


class Timer(Protocol):
    """Something that will happen."""

    def cancel(self) -> None:
        """Let it not happen; without effect when it has."""
        ...


class Clock(Protocol):
    """Tells the time in seconds since 1970 and waits for instants and spans of it."""

    def now(self) -> float:
        """Return the present instant, seconds since 1970, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of this clock; its being set anew changes no span."""
        ...

    async def sleep_until(self, at: float) -> None:
        """Return when this clock has reached an instant, seconds since 1970."""
        ...

    def after(self, seconds: float, then: Callable[[], None]) -> Timer:
        """Call `then` on the event loop after that many seconds of this clock."""
        ...

    def lived(self) -> float:
        """
        Return the seconds that have passed for clients, whom no jump of this clock takes along.

        A client sends its heartbeats by the machine's time, however fast the story goes: this
        goes no faster than the machine's time, and stands while the clock stands.
        """
        ...

    async def live(self, seconds: float) -> None:
        """Wait for the machine's seconds, to look after clients."""
        ...

    def stamps(self) -> Callable[[int], int] | None:
        """
        Return what reads the kernel's stamps of files as instants of this clock, in nanoseconds.

        None where they always were such instants. It may be called in any thread.
        """
        ...


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
    return _Machine.monotonic()


def machine_time() -> float:
    """Return the machine's instant, seconds since 1970, whatever libraries make of it."""
    return _Machine.instant()


def machine_time_ns() -> int:
    """Return the machine's instant, nanoseconds since 1970."""
    return _Machine.gettime_ns(time.CLOCK_REALTIME)


def coarse_ns() -> int:
    """Return the machine's instant as its kernel stamps files with it, nanoseconds since 1970."""
    return _Machine.gettime_ns(_Machine.coarse)


def put_machine_clocks(instant: Callable[[], float], gettime_ns: Callable[[int], int]) -> None:
    """Ask these for the machine's time, where Python's own functions may show another."""
    _Machine.instant = staticmethod(instant)
    _Machine.gettime_ns = staticmethod(gettime_ns)


def replace_sleep(
    replacement: Callable[[Callable[[float], None]], Callable[[float], None]],
) -> Callable[[], None]:
    """Put what `replacement` makes of `time.sleep` in its place; returns what takes it back."""
    original = time.sleep
    time.sleep = replacement(original)  # type: ignore[assignment]

    def take_back() -> None:
        time.sleep = original

    return take_back

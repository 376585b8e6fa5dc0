"""
Containers whose clocks are off: what they are shown, and how what they write is dated.

A skew is fixed when its container starts. Files carry the stamps of the machine's kernel; those
that a skewed container made are read as its clock would have stamped them.
"""

from collections.abc import Callable
from pathlib import Path

from modal_emulator.ground.clock import Clock, coarse_ns, machine_time_ns

__all__ = ["ShowSkewed", "Skews"]

Stamps = Callable[[int], int]
ShowSkewed = Callable[[str, float], Path]
"""Shows a container the clock off by so many seconds; returns the page that a process looks at."""


class Skews:
    """The skews of the containers of one World."""

    def __init__(self, clock: Clock, show: ShowSkewed) -> None:
        self._clock = clock
        self._show = show
        # By container: since which stamp, and how many nanoseconds. Threads read it.
        self._of: dict[str, tuple[int, int]] = {}

    def begin(self, container_id: str, seconds: float) -> Path:
        """Let a container that is about to start have a clock that is off."""
        self._of[container_id] = (coarse_ns(), round(seconds * 1e9))
        return self._show(container_id, seconds)

    def stamps(self, container_id: str) -> Stamps | None:
        """Return what reads the kernel's stamps of what a container writes, as `Clock.stamps`."""
        read, skew = self._clock.stamps(), self._of.get(container_id)
        if skew is None:
            return read
        began, off = skew

        def skewed(stamp: int) -> int:
            # What is dated otherwise was not stamped by writing: it is somebody's own.
            own = began <= stamp <= machine_time_ns()
            return (stamp if read is None else read(stamp)) + (off if own else 0)

        return skewed

"""
Containers that come to nothing: how often in a row, and when the next one may be tried.

What it means for waiting inputs, whether they wait on or fail, is decided in `pool`.
"""

from modal_emulator.ground.clock import Clock

__all__ = ["Crashes"]

# After so many starts in a row that came to nothing, `min_containers` alone starts no other one.
SPARED = 3

# "with exponential backoff", says the guide on retries, and no figures [guess].
FIRST_DELAY = 1.0
LONGEST_DELAY = 600.0


class Crashes:
    """Counts failed starts of one function's containers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.in_a_row = 0
        self._until = 0.0

    @property
    def are_few(self) -> bool:
        """Say whether to start a container for which no input waits."""
        return self.in_a_row < SPARED

    @property
    def forbid_a_start(self) -> bool:
        """Say whether it is too early for another start."""
        return self._clock.now() < self._until

    def count(self) -> None:
        """One more has failed."""
        self.in_a_row += 1

    def put_off(self) -> float:
        """Forbid starts for a while that grows with each failure; return how long."""
        # A float overflows at 2 ** 1024.
        delay = min(FIRST_DELAY * 2.0 ** min(self.in_a_row - 1, 20), LONGEST_DELAY)
        self._until = self._clock.now() + delay
        return delay

    def forget(self) -> None:
        """One came to ask for its first input."""
        self.in_a_row, self._until = 0, 0.0

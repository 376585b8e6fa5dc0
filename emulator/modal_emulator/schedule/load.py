"""
How much a function has to do: its inputs that wait, and those without an outcome.

They are counted as they come and go, so that asking costs nothing. Inputs of spawned calls are
counted apart, for Modal allows many more of them.
"""

from collections import Counter
from collections.abc import Mapping

from modal_emulator.ground.errors import Exhausted
from modal_emulator.schedule.limits import PoolLimits

__all__ = ["Load"]

Kind = tuple[str, bool]
"""A function's id, and whether the call is spawned."""


class Load:
    """The counts of all functions."""

    def __init__(self) -> None:
        self._queued: Counter[Kind] = Counter()
        self._unfinished: Counter[Kind] = Counter()

    @property
    def queued(self) -> Mapping[Kind, int]:
        """How many inputs nobody works on."""
        return self._queued

    def came(self, kind: Kind) -> None:
        """There is one more, and it waits."""
        self._queued[kind] += 1
        self._unfinished[kind] += 1

    def waits(self, kind: Kind, more: int) -> None:
        """One more waits, or one less."""
        self._queued[kind] += more

    def went(self, kind: Kind) -> None:
        """One has its outcome."""
        self._unfinished[kind] -= 1

    def check(self, kind: Kind, limits: PoolLimits) -> None:
        """
        See whether there is room for another input.

        Raises:
            Exhausted: there are as many as may be; Modal's own words are not known [guess].
        """
        is_spawned = kind[1]
        most = limits.spawned if is_spawned else limits.queued
        if self._queued[kind] >= most:
            raise Exhausted(f"Function {kind[0]} has {most} inputs queued, which is the limit")
        if not is_spawned and self._unfinished[kind] >= limits.unfinished:
            raise Exhausted(
                f"Function {kind[0]} has {limits.unfinished} unfinished inputs, which is the limit"
            )

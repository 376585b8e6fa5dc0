"""Where chance comes from when something is tried in many ways: draws that a seed repeats."""

import random
from collections.abc import MutableSequence, Sequence
from typing import TypeVar

__all__ = ["Chance"]

T = TypeVar("T")


class Chance:
    """A row of draws; the same seed gives the same row, and None one that nobody had before."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        self._row = random.Random(self.seed)  # noqa: S311, it guards nothing

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to one less than `limit`."""
        return self._row.randrange(limit)

    def one_of(self, things: Sequence[T]) -> T:
        """Return one of these, each as likely as the others."""
        return things[self.below(len(things))]

    def sample(self, limit: int, count: int) -> list[int]:
        """Return `count` different numbers below `limit`."""
        return self._row.sample(range(limit), count)

    def shuffle(self, things: MutableSequence[T]) -> None:
        """Put these in any order, in place."""
        self._row.shuffle(things)

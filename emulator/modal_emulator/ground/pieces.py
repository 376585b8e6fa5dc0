"""
How virtual time runs against the machine's: straight pieces, one after the other.

A piece says which instant it was when it began, and how many virtual seconds pass per second of
the machine. The pieces that were are kept, so that what the machine stamped, as a kernel stamps
files, can be read as the virtual instant at which it was done.
"""

from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["MOST_PIECES", "History", "Piece"]

MOST_PIECES = 200_000
"""How far back the history reaches; a piece is some hundred bytes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One straight piece; instants in seconds."""

    began: float
    """On the machine's monotonic clock."""
    virtual: float
    """The virtual instant then, seconds since 1970."""
    rate: float
    """Virtual seconds per second; 0 stands still."""

    def at(self, monotonic: float) -> float:
        """Return the virtual instant of one of the machine's."""
        return self.virtual + (monotonic - self.began) * self.rate


class History:
    """
    The pieces since the clock left the machine's time, by the stamps of the machine's files.

    A kernel stamps files by its coarse clock, so pieces are entered with that (nanoseconds since
    1970): a file never seems older than the piece in which it was written.
    """

    def __init__(self) -> None:
        # One list, replaced or added to: threads read it.
        self._entries: list[tuple[int, float, float]] = []

    def __bool__(self) -> bool:
        """Say whether the clock ever ran otherwise than the machine's."""
        return bool(self._entries)

    def add(self, stamp: int, piece: Piece | None) -> None:
        """A piece begins; None is the machine's own time."""
        how = (float("nan"), 1.0) if piece is None else (piece.virtual, piece.rate)
        if self._entries and self._entries[-1][0] == stamp:
            self._entries[-1] = (stamp, *how)
        else:
            self._entries.append((stamp, *how))
        if len(self._entries) > MOST_PIECES:
            self._entries = self._entries[MOST_PIECES // 2 :]

    def virtual_ns(self, stamp: int, latest: int) -> int:
        """
        Return the virtual instant of a stamp, in nanoseconds since 1970.

        A stamp from before the first piece, or from after `latest` (the machine's time now), was
        not made by writing: it is somebody's own and comes back as it is.
        """
        entries = self._entries
        place = bisect_right(entries, stamp, key=_stamp_of) - 1
        if place < 0 or stamp > latest:
            return stamp
        began, virtual, rate = entries[place]
        if virtual != virtual:  # the machine's own time
            return stamp
        return round(virtual * 1e9) + round((stamp - began) * rate)


def _stamp_of(entry: tuple[int, float, float]) -> int:
    return entry[0]

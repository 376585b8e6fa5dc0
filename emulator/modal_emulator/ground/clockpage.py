"""
How the clock runs, on a page of memory that other processes look at.

The clock's owner writes when it runs on differently; whoever looks finds the instant without asking
anybody. There are two places for what is written and a count whose lowest bit says which holds:
the owner fills the other one and then counts, in one store, so that nobody ever waits. Who finds
another count after reading looks again.
"""

import math
import mmap
import os
import struct
from pathlib import Path

from modal_emulator.ground.clock import monotonic
from modal_emulator.ground.pieces import Piece

__all__ = ["Look", "Page", "look"]

_COUNT = struct.Struct("@Q")
_PIECE = struct.Struct("@ddd")
_SIZE = _COUNT.size + 2 * _PIECE.size


class Page:
    """The owner's side."""

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, _SIZE)
            self._memory = mmap.mmap(file, _SIZE)
        finally:
            os.close(file)
        self.path = path
        self.write(None)

    def write(self, piece: Piece | None) -> None:
        """Say how the clock runs from now on; None is the machine's time."""
        (count,) = _COUNT.unpack_from(self._memory)
        values = (0.0, math.nan, 1.0) if piece is None else (piece.began, piece.virtual, piece.rate)
        _PIECE.pack_into(self._memory, _place(count + 1), *values)
        _COUNT.pack_into(self._memory, 0, count + 1)

    def close(self) -> None:
        """Let go of the memory and remove the file; who looks goes on seeing what is there."""
        self._memory.close()
        self.path.unlink(missing_ok=True)


class Look:
    """The other side: called, it returns the instant, None for the machine's own."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    def __call__(self) -> float | None:
        """Return the instant, seconds since 1970."""
        piece = self.piece()
        return None if piece.virtual != piece.virtual else piece.at(monotonic())

    def piece(self) -> Piece:
        """Return what was written last; the machine's time is no number."""
        while True:
            (count,) = _COUNT.unpack_from(self._memory)
            values = _PIECE.unpack_from(self._memory, _place(count))
            if _COUNT.unpack_from(self._memory)[0] == count:
                return Piece(*values)


def look(path: Path) -> Look:
    """Return what tells the instant from a page, also when its file is not seen any more."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return Look(mmap.mmap(file, _SIZE, prot=mmap.PROT_READ))
    finally:
        os.close(file)


def _place(count: int) -> int:
    return _COUNT.size + (count & 1) * _PIECE.size

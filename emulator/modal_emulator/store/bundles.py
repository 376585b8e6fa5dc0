"""
Files that arrive in pieces, each piece straight to its place.

A file of many blocks would otherwise be written twice, as contents and as a whole. A bundle is a
file of the final length with a `Slot` for each block; who receives a block claims its slot, so
nobody else writes there. A block that was checked is found by its digest as an `Extent`. A slot
whose transfer failed is given up, whatever bytes are in it: the block then comes as a content of
its own. What was found where is remembered as long as the World; the files are swept at the next
opening, and stay where a layer links them.
"""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Bundles", "Extent", "Slot"]


@dataclass(frozen=True, slots=True)
class Extent:
    """Where in a file the bytes of a content are."""

    path: Path
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Slot:
    """Where in a bundle a block is to be written, and how long it may be."""

    path: Path
    start: int
    room: int


class Bundles:
    """The bundles of one World; one loop owns them, and any thread may look up."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count()
        self._slots: dict[str, Slot] = {}
        self._extents: dict[str, Extent] = {}
        directory.mkdir(parents=True, exist_ok=True)
        for leftover in directory.iterdir():
            leftover.unlink()

    def open(self, pieces: Sequence[str], size: int, piece_size: int) -> None:
        """Make a file of this length with a place for each of these pieces, "" for a hole."""
        path = self._directory / str(next(self._numbers))
        with path.open("xb") as file:
            os.ftruncate(file.fileno(), size)
        for index, sha256 in enumerate(pieces):
            start = index * piece_size
            slot = Slot(path, start, min(piece_size, size - start))
            if sha256:
                self._slots.setdefault(sha256, slot)  # a piece that comes twice has one place

    def awaits(self, sha256: str) -> bool:
        """Say whether there is a place for this piece that nobody has claimed."""
        return sha256 in self._slots

    def claim(self, sha256: str) -> Slot | None:
        """Give the place of this piece away, once."""
        return self._slots.pop(sha256, None)

    def settle(self, sha256: str, slot: Slot, length: int) -> None:
        """The piece was checked, and is where it belongs."""
        self._extents[sha256] = Extent(slot.path, slot.start, length)

    def find(self, sha256: str) -> Extent | None:
        """Return where a piece is."""
        return self._extents.get(sha256)

    def whole(self, pieces: Sequence[str], size: int, piece_size: int) -> Path | None:
        """Return the bundle that is these pieces from end to end, if there is one."""
        found: Path | None = None
        for index, sha256 in enumerate(pieces):
            if not sha256:
                continue
            place = self._extents.get(sha256)
            if place is None or place.start != index * piece_size:
                return None
            if found not in (None, place.path):
                return None
            found = place.path
        return None if found is None or found.stat().st_size != size else found

"""
Files and commits looked through for values of secrets; slow, and safe in any thread.

Reading goes on in pieces, and the search itself lets other threads run. What is compressed is
looked through once more as what it holds, up to a bound; what is compressed twice, or encrypted,
shows nothing.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modal_emulator.findings.leaks import Needles, Sighting, Trail
from modal_emulator.findings.unpacking import Unpacked, members, packing
from modal_emulator.store.editions import Edition
from modal_emulator.store.packing import unpack_changes
from modal_emulator.store.paths import show
from modal_emulator.store.tree import Kind

__all__ = ["MOST", "Commit", "search_file"]

MOST = 256 << 20
"""Bytes of the files of one commit that are looked through, the smallest files first."""

MOST_UNPACKED = 32 << 20
"""Bytes of what a file holds compressed; they count as bytes of the commit, too."""

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Commit:
    """What one version changed."""

    edition: Edition
    packed: bytes = field(repr=False)

    def search(
        self, needles: Needles, over: threading.Event
    ) -> list[tuple[str, Sequence[Sighting]]]:
        """Return what is found by the paths of files; the empty path is for names."""
        changes = [change for change in unpack_changes(self.packed) if change.entry is not None]
        names = "\n".join(f"{show(c.parts)} {c.entry.target}" for c in changes if c.entry)
        found: list[tuple[str, Sequence[Sighting]]] = []
        if seen := needles.search(names.encode(errors="surrogateescape")):
            found.append(("", seen))
        files = [(c.entry.size, c.parts) for c in changes if c.entry and c.entry.kind is Kind.FILE]
        left = MOST
        for _, parts in sorted(files):
            place = self.edition.find(parts)
            if place is None or left <= 0 or over.is_set():
                continue
            within, read = search_file(needles, place, left, over)
            left -= read
            if within:
                found.append((show(parts), within))
        return found


def search_file(
    needles: Needles, path: Path, most: int, over: threading.Event
) -> tuple[Sequence[Sighting], int]:
    """Return what is found in a file, and how many bytes were read; one that went holds none."""
    comb = _Comb(needles, most, over)
    trail = Trail()
    try:
        with path.open("rb") as file:
            kind = packing(file.peek(4))
            within, unpacked = Trail(kind), Unpacked(MOST_UNPACKED)
            while piece := file.read(min(_PIECE, comb.left)):
                comb.follow(trail, [piece])
                if kind in ("gzip", "zlib"):
                    comb.follow(within, unpacked.feed(piece))
        if kind == "zip":
            for member in members(path, min(MOST_UNPACKED, comb.left)):
                comb.follow(Trail(kind), member)
    except OSError:
        pass
    return comb.found, most - comb.left


class _Comb:
    """Looks through pieces until there are enough."""

    def __init__(self, needles: Needles, most: int, over: threading.Event) -> None:
        self._needles = needles
        self._over = over
        self._left = most
        self.found: list[Sighting] = []

    @property
    def left(self) -> int:
        """How many bytes may still be looked through."""
        return 0 if self._over.is_set() else max(0, self._left)

    def follow(self, trail: Trail, pieces: Iterable[bytes]) -> None:
        """Look through what comes, one piece after the other."""
        for piece in pieces:
            self._left -= len(piece)
            self.found += trail.follow(self._needles, piece)
            if not self.left:
                return

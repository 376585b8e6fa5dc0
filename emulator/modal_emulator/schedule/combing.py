"""
Files and commits looked through for values of secrets; slow, and safe in any thread.

Reading goes on in pieces, and the search itself lets other threads run. What is compressed or
encrypted holds no value that could be seen.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modal_emulator.findings.leaks import Needles, Sighting, Trail
from modal_emulator.store.editions import Edition
from modal_emulator.store.packing import unpack_changes
from modal_emulator.store.paths import show
from modal_emulator.store.tree import Kind

__all__ = ["MOST", "Commit", "search_file"]

MOST = 256 << 20
"""Bytes of the files of one commit that are looked through, the smallest files first."""

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
    trail, found, read = Trail(), list[Sighting](), 0
    try:
        with path.open("rb") as file:
            while read < most and not over.is_set():
                piece = file.read(min(_PIECE, most - read))
                if not piece:
                    break
                read += len(piece)
                found += trail.follow(needles, piece)
    except OSError:
        pass
    return found, read

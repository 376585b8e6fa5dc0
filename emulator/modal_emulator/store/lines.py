"""
The directories of all volumes: each volume's line, opened when it is first needed.

Opening the whole sweeps what a killed process left: layers that no version has, rooms of views
and edits that nobody holds any more. A deleted volume's files stay while something shows them.
"""

from pathlib import Path

from modal_emulator.ground.clock import Clock
from modal_emulator.store.archive import Archive
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.line import Line
from modal_emulator.store.shelf import Shelf, Trash
from modal_emulator.store.tree import ROOT_MODE, Entry, Kind, Tree

__all__ = ["Lines"]

_TRASH = "trash"


class Lines:
    """The lines of one World's volumes, by id."""

    def __init__(
        self, directory: Path, archive: Archive, clock: Clock, limits: VolumeLimits
    ) -> None:
        self._directory = directory
        self._archive = archive
        self._clock = clock
        self._limits = limits
        self._lines: dict[str, Line] = {}
        self.trash = Trash(directory / _TRASH)
        if directory.exists():
            self._sweep()

    def open(self, volume_id: str, *, version: int, created_at: float) -> Line:
        """Return the line of a volume that exists."""
        line = self._lines.get(volume_id)
        if line is None:
            born = Entry(Kind.DIRECTORY, 0, int(created_at * 1e9), ROOT_MODE)
            kept = self._archive.load(volume_id, Tree().put((), born))
            shelf = Shelf(self._directory / volume_id, self.trash, kept.sizes)
            line = Line(volume_id, kept, shelf, self._archive, self._clock, self._limits, version)
            self._lines[volume_id] = line
        return line

    def close(self, volume_id: str) -> None:
        """The volume is gone for good; so are its files, once nothing shows them."""
        line = self._lines.pop(volume_id, None)
        if line is not None:
            self.let_go(line)
        else:
            Shelf(self._directory / volume_id, self.trash, {}).close()

    def has(self, line: Line) -> bool:
        """Say whether the volume of a line is still there."""
        return self._lines.get(line.volume_id) is line

    def let_go(self, line: Line) -> None:
        """Give the files of a closed line away if that was the last to hold them."""
        if not self.has(line) and not line.shelf.held:
            line.shelf.close()

    def _sweep(self) -> None:
        if self._limits.versions_kept is not None:
            self._archive.trim(self._limits.versions_kept)
        volumes = self._archive.needed()
        for place in self._directory.iterdir():
            if place.name in volumes:
                needed = volumes[place.name]
                for path in place.iterdir():
                    if path.name not in needed:
                        self.trash.take(path)
            elif place.name != _TRASH:
                self.trash.take(place)

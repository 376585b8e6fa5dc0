"""
A version that is open for reading, and what two versions have different.

An edition is held open by whoever asked for it: its layers stay until it is closed, whatever
becomes of the volume, so threads may read from it. Nobody may write to its files.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.store.layer import find
from modal_emulator.store.links import follow
from modal_emulator.store.paths import Parts, parse, show
from modal_emulator.store.tree import Entry, Kind, Tree

__all__ = ["Difference", "Edition", "Located", "compare"]


@dataclass(frozen=True, slots=True)
class Located:
    """A file of a version, and where its bytes are; nobody may write to them."""

    path: Path
    entry: Entry


@dataclass(frozen=True, slots=True)
class Edition:
    """One version, open."""

    number: int
    tree: Tree
    layers: tuple[Path, ...]
    """The directories that show it, the newest first."""
    mount: str
    """Where containers see the volume."""
    close: Callable[[], None] = field(repr=False)
    """To be called once, by the owner of the volumes, when nothing is read any more."""

    def entries(self, path: str, *, recursive: bool) -> Iterator[tuple[str, Entry]]:
        """List a directory, or the one file of this path."""
        parts = parse(path)
        if self.tree.get(parts) is None:
            raise NotFound(f"No such file or directory: '{path}'")
        return ((show(at), entry) for at, entry in self.tree.listing(parts, recursive=recursive))

    def locate(self, path: str) -> Located:
        """Return where the bytes of a regular file are; links are followed inside the volume."""
        parts = follow(self.tree, parse(path), self.mount)
        entry, place = self.tree.get(parts), self.find(parts)
        if entry is None or place is None:
            raise NotFound(f"No such file or directory: '{path}'")
        if entry.kind is not Kind.FILE:
            raise Invalid(f"'{path}' is not a regular file")
        return Located(place, entry)

    def find(self, parts: Parts) -> Path | None:
        """Return where a path lies on disk, links not followed."""
        return find(self.layers, parts)


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not the same in two versions; None where it is not there."""

    parts: Parts
    before: Entry | None
    after: Entry | None

    @property
    def kind(self) -> str:
        """Added, removed or changed."""
        return "added" if not self.before else "changed" if self.after else "removed"


def compare(old: Tree, new: Tree) -> Iterator[Difference]:
    """
    Go through what is different, in the order of the paths.

    A directory whose time alone is another is left out: it tells no more than what is in it.
    """
    for parts, before, after in old.differences(new):
        if before is None or after is None or not _only_dated(before, after):
            yield Difference(parts, before, after)


def _only_dated(before: Entry, after: Entry) -> bool:
    return before.is_directory and after.is_directory and before.mode == after.mode

"""
What is in a volume at one version: names, kinds, sizes and times, but no bytes.

A `Tree` never changes; putting and removing give a new one that shares all untouched directories
with the old, so a version costs what was changed in it. It knows no disk.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from immutables import Map

from modal_emulator.store.paths import Parts

__all__ = ["ROOT_MODE", "Entry", "Kind", "Tree"]

ROOT_MODE = 0o755


class Kind(Enum):
    """What a name can stand for; the values are the letters of `find -type`."""

    FILE = "f"
    DIRECTORY = "d"
    SYMLINK = "l"
    FIFO = "p"
    SOCKET = "s"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name's metadata; `mode` holds the permission bits, `target` where a symlink leads."""

    kind: Kind
    size: int
    mtime_ns: int
    mode: int
    target: str = ""

    @property
    def is_directory(self) -> bool:
        """True for a directory, false for everything else, links to directories too."""
        return self.kind is Kind.DIRECTORY


@dataclass(frozen=True, slots=True)
class _Directory:
    entry: Entry
    names: "Map[str, _Node]" = field(default_factory=Map)
    below: int = 0
    """How many entries there are in it and in all its directories."""

    def put(self, parts: Parts, entry: Entry) -> "_Directory":
        name, rest = parts[0], parts[1:]
        old = self.names.get(name)
        directory = old if isinstance(old, _Directory) else None
        new: _Node
        if rest:
            # A file where a directory is needed gives way, as a lower file does in an overlay.
            new = (directory or _parent_of(entry)).put(rest, entry)
        elif entry.is_directory:
            new = replace(directory, entry=entry) if directory else _Directory(entry)
        else:
            new = entry
        return self._with(self.names.set(name, new), _weight(new) - _weight(old))

    def remove(self, parts: Parts) -> "_Directory":
        name, rest = parts[0], parts[1:]
        old = self.names.get(name)
        if old is None:
            return self
        if not rest:
            return self._with(self.names.delete(name), -_weight(old))
        if not isinstance(old, _Directory):
            return self
        new = old.remove(rest)
        if new is old:
            return self
        return self._with(self.names.set(name, new), new.below - old.below)

    def _with(self, names: "Map[str, _Node]", gained: int) -> "_Directory":
        return _Directory(self.entry, names, self.below + gained)


_Node = Entry | _Directory


def _directory(entry: Entry, names: dict[str, _Node]) -> _Directory:
    return _Directory(entry, Map(names), sum(_weight(node) for node in names.values()))


def _weight(node: "_Node | None") -> int:
    if node is None:
        return 0
    return 1 + node.below if isinstance(node, _Directory) else 1


def _entry(node: _Node) -> Entry:
    return node.entry if isinstance(node, _Directory) else node


def _parent_of(entry: Entry) -> _Directory:
    return _Directory(Entry(Kind.DIRECTORY, 0, entry.mtime_ns, ROOT_MODE))


@dataclass(frozen=True, slots=True, repr=False)
class Tree:
    """All names of one version; the root is always a directory."""

    root: _Directory = field(
        default_factory=lambda: _Directory(Entry(Kind.DIRECTORY, 0, 0, ROOT_MODE))
    )

    @classmethod
    def of(cls, entries: Iterable[tuple[Parts, Entry]]) -> "Tree":
        """Return the tree with these entries, each directory before what is in it."""
        # Plain dicts first: one Map per directory is much cheaper than one per entry.
        names: dict[Parts, dict[str, _Node]] = {(): {}}
        directories: dict[Parts, Entry] = {(): cls().root.entry}
        for parts, entry in entries:
            if entry.is_directory:
                directories[parts] = entry
                names.setdefault(parts, {})
            else:
                names[parts[:-1]][parts[-1]] = entry
        root = directories.pop(())
        for parts in reversed(directories):
            names[parts[:-1]][parts[-1]] = _directory(directories[parts], names[parts])
        return cls(_directory(root, names[()]))

    def __repr__(self) -> str:
        """Tell how large it is; a million names help nobody in a traceback."""
        return f"<Tree of {self.count} entries>"

    @property
    def count(self) -> int:
        """How many entries there are, directories included, the root not."""
        return self.root.below

    def get(self, parts: Parts) -> Entry | None:
        """Return what has this path, if anything has."""
        node = self._node(parts)
        return None if node is None else _entry(node)

    def size(self, parts: Parts) -> int:
        """Return how many names a directory holds; 0 for all else."""
        node = self._node(parts)
        return len(node.names) if isinstance(node, _Directory) else 0

    def children(self, parts: Parts) -> Iterator[tuple[str, Entry]]:
        """Go through a directory's names in order; what is no directory has none."""
        node = self._node(parts)
        if isinstance(node, _Directory):
            for name in sorted(node.names):
                yield name, _entry(node.names[name])

    def walk(self, parts: Parts = ()) -> Iterator[tuple[Parts, Entry]]:
        """Go through everything below a directory, each directory before what is in it."""
        node = self._node(parts)
        if isinstance(node, _Directory):
            yield from _walk(node, parts)

    def listing(self, parts: Parts, *, recursive: bool) -> Iterator[tuple[Parts, Entry]]:
        """Go through what a user sees of a path: what is in a directory, or the file itself."""
        entry = self.get(parts)
        if entry is not None and not entry.is_directory:
            yield parts, entry
        elif recursive:
            yield from self.walk(parts)
        else:
            yield from (((*parts, name), found) for name, found in self.children(parts))

    def put(self, parts: Parts, entry: Entry) -> "Tree":
        """
        Return the tree with this entry in it.

        A directory put over a directory keeps what is in it; any other entry replaces what was
        there whole. Missing directories above it are made.
        """
        if parts:
            return Tree(self.root.put(parts, entry))
        if not entry.is_directory:
            raise ValueError("the root of a tree is a directory")
        return Tree(replace(self.root, entry=entry))

    def remove(self, parts: Parts) -> "Tree":
        """Return the tree without this path and what is below it; the same tree if it had none."""
        if not parts:
            raise ValueError("the root of a tree stays")
        root = self.root.remove(parts)
        return self if root is self.root else Tree(root)

    def _node(self, parts: Parts) -> "_Node | None":
        node: _Node | None = self.root
        for name in parts:
            if not isinstance(node, _Directory):
                return None
            node = node.names.get(name)
        return node


def _walk(directory: _Directory, parts: Parts) -> Iterator[tuple[Parts, Entry]]:
    for name in sorted(directory.names):
        node = directory.names[name]
        below = (*parts, name)
        yield below, _entry(node)
        if isinstance(node, _Directory):
            yield from _walk(node, below)

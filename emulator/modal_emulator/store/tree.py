"""
What is in a volume at one version: names, kinds, sizes and times, but no bytes.

A `Tree` never changes; putting and removing give a new one that shares all untouched directories
with the old, so a version costs what was changed in it. It knows no disk.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import groupby

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

    # No recursion here and in `_walk`: a tree may be deeper than Python's stack.

    def put(self, parts: Parts, entry: Entry) -> "_Directory":
        above, directory = [self], self
        for name in parts[:-1]:
            node = directory.names.get(name)
            # A file where a directory is needed gives way, as a lower file does in an overlay.
            directory = node if isinstance(node, _Directory) else _parent_of(entry)
            above.append(directory)
        old = directory.names.get(parts[-1])
        new: _Node = entry
        if entry.is_directory:
            new = replace(old, entry=entry) if isinstance(old, _Directory) else _Directory(entry)
        return _rebuilt(above, parts, new)

    def remove(self, parts: Parts) -> "_Directory":
        above, directory = [self], self
        for name in parts[:-1]:
            node = directory.names.get(name)
            if not isinstance(node, _Directory):
                return self
            directory = node
            above.append(directory)
        return _rebuilt(above, parts, None) if parts[-1] in directory.names else self

    def change_at(self, path: Parts, run: "Sequence[tuple[str, Entry | None]]") -> "_Directory":
        """Do as `change` in a directory that is there."""
        above, directory = [self], self
        for name in path:
            node = directory.names[name]
            assert isinstance(node, _Directory)
            directory = node
            above.append(directory)
        changed = directory.change(run)
        return _rebuilt(above[:-1], path, changed) if path else changed

    def change(self, run: "Sequence[tuple[str, Entry | None]]") -> "_Directory":
        """Do as one `put` or `remove` after another, in one step."""
        names, below = self.names.mutate(), self.below
        for name, entry in run:
            old = names.get(name)
            below -= _weight(old)
            if entry is None:
                if old is not None:
                    del names[name]
                continue
            new: _Node = entry
            if entry.is_directory:
                there = old if isinstance(old, _Directory) else _Directory(entry)
                new = replace(there, entry=entry)
            names[name] = new
            below += _weight(new)
        return _Directory(self.entry, names.finish(), below)

    def set(self, name: str, new: "_Node | None") -> "_Directory":
        old = self.names.get(name)
        names = self.names.delete(name) if new is None else self.names.set(name, new)
        return _Directory(self.entry, names, self.below + _weight(new) - _weight(old))


_Node = Entry | _Directory


def _rebuilt(above: list[_Directory], parts: Parts, node: _Node | None) -> _Directory:
    """Return the first directory with another node, or none, at the end of the path."""
    root = above[0]
    for directory, name in zip(reversed(above), reversed(parts), strict=True):
        root = directory.set(name, node)
        node = root
    return root


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

    def has_wide(self, names: int) -> bool:
        """Tell whether some directory holds more than so many names itself."""
        rest = [self.root]
        while rest:
            directory = rest.pop()
            if len(directory.names) > names:
                return True
            inner = (node for node in directory.names.values() if isinstance(node, _Directory))
            rest += [node for node in inner if node.below > names]
        return False

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

    def differences(self, newer: "Tree") -> Iterator[tuple[Parts, Entry | None, Entry | None]]:
        """Go through what has another entry in a newer tree; what both share is skipped whole."""
        return _differences(self.root, newer.root)

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

    def change(self, changes: Iterable[tuple[Parts, Entry | None]]) -> "Tree":
        """
        Return the tree after these puts and, where there is no entry, removals, in this order.

        Those in a row that are in one directory cost little more than one.
        """
        tree = self
        for above, found in groupby(changes, key=_above):
            run = tuple(found)
            if above is None or len(run) == 1:
                for parts, entry in run:
                    tree = tree.remove(parts) if entry is None else tree.put(parts, entry)
            else:
                tree = tree._change_one(above, run)
        return tree

    def _change_one(self, above: Parts, run: Sequence[tuple[Parts, Entry | None]]) -> "Tree":
        if not isinstance(self._node(above), _Directory):
            # The first put makes the directory; what is removed before it is not there.
            first = next((n for n, (_, entry) in enumerate(run) if entry is not None), None)
            if first is None:
                return self
            parts, entry = run[first]
            assert entry is not None
            return self.put(parts, entry)._change_one(above, run[first + 1 :])
        return Tree(self.root.change_at(above, [(parts[-1], entry) for parts, entry in run]))

    def _node(self, parts: Parts) -> "_Node | None":
        node: _Node | None = self.root
        for name in parts:
            if not isinstance(node, _Directory):
                return None
            node = node.names.get(name)
        return node


def _above(change: tuple[Parts, Entry | None]) -> Parts | None:
    parts, _ = change
    return parts[:-1] if parts else None


def _walk(directory: _Directory, parts: Parts) -> Iterator[tuple[Parts, Entry]]:
    levels = [(parts, directory, iter(sorted(directory.names)))]
    while levels:
        above, directory, names = levels[-1]
        name = next(names, None)
        if name is None:
            levels.pop()
            continue
        node = directory.names[name]
        below = (*above, name)
        yield below, _entry(node)
        if isinstance(node, _Directory):
            levels.append((below, node, iter(sorted(node.names))))


def _differences(old: _Node, new: _Node) -> Iterator[tuple[Parts, Entry | None, Entry | None]]:
    pending: list[tuple[Parts, _Node | None, _Node | None]] = [((), old, new)]
    while pending:
        parts, one, other = pending.pop()
        before = None if one is None else _entry(one)
        after = None if other is None else _entry(other)
        if before != after:
            yield parts, before, after
        mine, theirs = _names(one), _names(other)
        differ = {name for name, node in mine.items() if theirs.get(name) is not node}
        differ.update(name for name in theirs if name not in mine)
        # The last one first: the stack turns them around.
        for name in sorted(differ, reverse=True):
            pending.append(((*parts, name), mine.get(name), theirs.get(name)))


def _names(node: _Node | None) -> "Map[str, _Node]":
    return node.names if isinstance(node, _Directory) else Map()

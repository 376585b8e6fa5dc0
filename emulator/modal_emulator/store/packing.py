"""
Trees and changes as bytes for the ledger.

JSON, because a ledger that can be read with SQLite's own shell answers questions when no program
does; compressed once it is long. Odd bytes in names travel as JSON's escapes of surrogates.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from modal_emulator.store.layer import Change
from modal_emulator.store.paths import Parts
from modal_emulator.store.tree import Entry, Kind, Tree

__all__ = [
    "pack",
    "pack_changes",
    "pack_tree",
    "unpack",
    "unpack_changes",
    "unpack_pairs",
    "unpack_tree",
]

_LONG = 2048
_ZLIB = 0x78  # the first byte of every zlib stream; no JSON text begins with it
_KINDS = {kind.value: kind for kind in Kind}

Plain = Any  # what JSON can hold


def pack(value: Plain) -> bytes:
    """Return a JSON value as bytes."""
    text = json.dumps(value, separators=(",", ":")).encode()
    return zlib.compress(text, 1) if len(text) > _LONG else text


def unpack(data: bytes) -> Plain:
    """Return the JSON value that was packed."""
    return json.loads(zlib.decompress(data) if data[0] == _ZLIB else data)


def pack_changes(changes: Iterable[Change]) -> bytes:
    """Return changes as bytes."""
    return pack([_row(change.parts, change.entry) for change in changes])


def unpack_changes(data: bytes) -> tuple[Change, ...]:
    """Return the changes that were packed."""
    return tuple(Change(parts, entry) for parts, entry in unpack_pairs(data))


def unpack_pairs(data: bytes) -> Iterator[tuple[Parts, Entry | None]]:
    """Go through the changes that were packed, as paths and entries: many are quicker so."""
    # One tuple for each directory, not for each name in it.
    above: dict[str, Parts] = {}
    for path, *rest in unpack(data):
        head, slash, name = path.rpartition("/")
        if slash:
            parts = above.get(head)
            if parts is None:
                parts = above[head] = tuple(head.split("/"))
            parts = (*parts, name)
        else:
            parts = (path,) if path else ()
        if rest:
            kind, *numbers = rest
            yield parts, Entry(_KINDS[kind], *numbers)
        else:
            yield parts, None


def pack_tree(tree: Tree) -> bytes:
    """Return a tree as bytes."""
    rows = [_row((), tree.root.entry), *(_row(parts, entry) for parts, entry in tree.walk())]
    return pack(rows)


def unpack_tree(data: bytes) -> Tree:
    """Return the tree that was packed."""
    return Tree.of((parts, entry) for parts, entry in unpack_pairs(data) if entry is not None)


def _row(parts: Parts, entry: Entry | None) -> list[str | int]:
    path = "/".join(parts)
    if entry is None:
        return [path]
    row = [path, entry.kind.value, entry.size, entry.mtime_ns, entry.mode]
    return [*row, entry.target] if entry.target else row

"""
Changes that clients outside any container make: put files, remove and copy.

Each is checked against the newest version as a whole before anything is written, then writes one
draft, so it happens whole or not at all. Texts that no source quotes are ours and marked so in
`modal-semantics`, section 10, point 1: Modal's are not known.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from modal_emulator.ground.errors import AlreadyExists, Conflict, Invalid, NotFound
from modal_emulator.store.bundles import Extent
from modal_emulator.store.content import Content
from modal_emulator.store.copying import copy_file, copy_range, make, stamp
from modal_emulator.store.drafts import Draft
from modal_emulator.store.layer import find
from modal_emulator.store.links import follow
from modal_emulator.store.paths import Parts, parse, show
from modal_emulator.store.tree import Entry, Kind, Tree

__all__ = ["Edit", "Incoming", "copying", "putting", "removing"]

DEFAULT_MODE = 0o644  # what the SDK sends for file objects (modal-semantics 1.10 [sdk])


@dataclass(frozen=True, slots=True)
class Incoming:
    """
    A file that is to be made of contents that are here already.

    A piece shorter than `piece_size` is followed by zeros, the last one up to `size`.
    """

    path: str
    size: int
    mode: int
    pieces: tuple[str, ...]
    piece_size: int


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: a check that may be repeated on a newer tree, and the writing of it."""

    check: Callable[[Tree], None]
    write: Callable[[Draft], None]


# -------------------------------------------------------------------- putting files


def putting(files: Sequence[Incoming], content: Content, *, overwrite: bool, now_ns: int) -> Edit:
    """Make files, with the directories they need; all or none."""
    wanted = {parse(file.path): file for file in files}  # of one path, the last one counts

    def check(tree: Tree) -> None:
        for parts, file in wanted.items():
            _check_room(tree, parts, file, overwrite=overwrite)
            if any(parts[:depth] in wanted for depth in range(1, len(parts))):
                raise Invalid(f"'{file.path}': a file of the same upload is in its place")

    def write(draft: Draft) -> None:
        found = _found(wanted.values(), content)
        touched: set[Parts] = set()
        for parts, file in wanted.items():
            _check_pieces(file, found)
            _arrive(draft, parts, now_ns, touched)
            entry = Entry(Kind.FILE, file.size, now_ns, file.mode & 0o7777 or DEFAULT_MODE)
            _assemble(file, content, found, draft.room(parts), entry)
            draft.note(parts, entry)

    return Edit(check, write)


def _check_room(tree: Tree, parts: Parts, file: Incoming, *, overwrite: bool) -> None:
    there = tree.get(parts)
    if there is not None and there.is_directory:
        # An upload never replaces a directory (modal-semantics 1.2 [doc]).
        raise Invalid(f"'{file.path}' is a directory and cannot be overwritten with a file")
    if there is not None and not overwrite:
        # As Modal's own mock says it; the real text is not known.
        raise AlreadyExists(f"{file.path}: already exists (disallow_overwrite_existing_files=True)")
    for depth in range(1, len(parts)):
        above = tree.get(parts[:depth])
        if above is not None and not above.is_directory:
            raise Invalid(f"'{file.path}': '{show(parts[:depth])}' is not a directory")


def _found(files: Iterable[Incoming], content: Content) -> dict[str, Extent]:
    """Return where each of the contents is that these files are made of."""
    found: dict[str, Extent] = {}
    for file in files:
        for sha256 in file.pieces:
            if sha256 not in found:
                place = content.piece(sha256)
                if place is None:
                    raise Conflict(f"'{file.path}': the content {sha256} has not been uploaded")
                found[sha256] = place
    return found


def _check_pieces(file: Incoming, found: Mapping[str, Extent]) -> None:
    if file.size < 0 or (file.size and file.piece_size <= 0):
        raise Invalid(f"'{file.path}': {file.size} bytes in pieces of {file.piece_size}")
    if file.size and len(file.pieces) != -(-file.size // file.piece_size):
        raise Invalid(f"'{file.path}': {file.size} bytes do not make {len(file.pieces)} pieces")
    for index, sha256 in enumerate(file.pieces):
        if found[sha256].length > min(file.piece_size, file.size - index * file.piece_size):
            raise Invalid(f"'{file.path}': the content {sha256} is longer than its piece")


def _assemble(
    file: Incoming, content: Content, found: Mapping[str, Extent], target: Path, entry: Entry
) -> None:
    whole = content.whole(file.pieces, file.size, file.piece_size)
    if whole is not None:
        content.show(whole, target, mode=entry.mode, mtime_ns=entry.mtime_ns)
        return
    with target.open("xb") as writer:
        os.ftruncate(writer.fileno(), file.size)
        for index, sha256 in enumerate(file.pieces):
            place = found[sha256]
            with place.path.open("rb") as reader:
                copy_range(
                    reader.fileno(),
                    writer.fileno(),
                    place.start,
                    place.start + place.length,
                    onto=index * file.piece_size,
                )
    stamp(target, entry)


def _arrive(draft: Draft, parts: Parts, now_ns: int, touched: set[Parts]) -> None:
    """Make the directories that a new name needs, and note that its own has changed."""
    for depth in range(1, len(parts)):
        above = parts[:depth]
        if above not in touched and draft.seen.get(above) is None:
            draft.touch(above, now_ns)
            draft.touch(above[:-1], now_ns)
            touched.update((above, above[:-1]))
    if parts[:-1] not in touched and draft.seen.get(parts) is None:
        draft.touch(parts[:-1], now_ns)
        touched.add(parts[:-1])


# -------------------------------------------------------------------- removing


def removing(path: str, *, recursive: bool, now_ns: int) -> Edit:
    """Remove a file, or a directory with all it holds."""
    parts = parse(path)

    def check(tree: Tree) -> None:
        if not parts:
            raise Invalid("The root directory of a Volume cannot be removed")
        if _existing(tree, parts, path).is_directory and not recursive:
            raise Invalid(f"'{path}' is a directory; remove it recursively")

    def write(draft: Draft) -> None:
        draft.remove(parts)
        draft.touch(parts[:-1], now_ns)

    return Edit(check, write)


# -------------------------------------------------------------------- copying


def copying(
    sources: Sequence[str],
    destination: str,
    layers: Sequence[Path],
    *,
    recursive: bool,
    now_ns: int,
    mount: str,
) -> Edit:
    """
    Copy as the UNIX command `cp` does (modal-semantics 1.10 [sdk]).

    `layers` hold the bytes of the version that is edited; `mount` is where containers see it.
    """
    given = [parse(source) for source in sources]
    into = parse(destination)

    def plan(tree: Tree) -> dict[Parts, Parts]:
        return _plan(tree, given, into, destination, recursive=recursive, mount=mount)

    def check(tree: Tree) -> None:
        if not given:
            raise Invalid("There is nothing to copy")
        plan(tree)

    def write(draft: Draft) -> None:
        for target, source in plan(draft.seen).items():
            if draft.seen.get(target) is None:
                draft.touch(target[:-1], now_ns)
            _copy(draft, source, target, layers, now_ns)

    return Edit(check, write)


def _plan(
    tree: Tree,
    given: Sequence[Parts],
    into: Parts,
    destination: str,
    *,
    recursive: bool,
    mount: str,
) -> dict[Parts, Parts]:
    """Return which path each target is to be copied from."""
    there = tree.get(follow(tree, into, mount))
    inside = there is not None and there.is_directory
    if not inside and (len(given) > 1 or destination.endswith("/")):
        raise NotFound(f"'{destination}' is not a directory")
    planned: dict[Parts, Parts] = {}
    for parts in given:
        # `cp` copies what a link leads to, but with -r the link itself.
        source = parts if recursive else follow(tree, parts, mount)
        entry = _existing(tree, source, show(parts))
        target = (*follow(tree, into, mount), *parts[-1:]) if inside else into
        _check_copy(tree, entry, source, target, recursive=recursive)
        if target in planned:
            raise Invalid(f"'{show(target)}' would be written twice")
        planned[target] = source
    return planned


def _check_copy(tree: Tree, entry: Entry, source: Parts, target: Parts, *, recursive: bool) -> None:
    there = tree.get(target)
    if entry.is_directory and not recursive:
        raise Invalid(f"'{show(source)}' is a directory; copy it recursively")
    if source == target:
        raise Invalid(f"'{show(source)}' and '{show(target)}' are the same file")
    if entry.is_directory and target[: len(source)] == source:
        raise Invalid(f"Cannot copy the directory '{show(source)}' into itself")
    if there is not None and there.is_directory != entry.is_directory:
        raise Invalid(f"'{show(target)}' and '{show(source)}' are not of one kind")
    above = tree.get(target[:-1])
    if above is None or not above.is_directory:
        raise NotFound(f"No such file or directory: '{show(target[:-1])}'")
    if there is not None and entry.is_directory:
        for name, below in tree.children(source):
            other = tree.get((*target, name))
            if other is not None:
                _check_copy(tree, below, (*source, name), (*target, name), recursive=True)


def _copy(draft: Draft, source: Parts, target: Parts, layers: Sequence[Path], now_ns: int) -> None:
    entry, path = draft.seen.get(source), find(layers, source)
    assert entry is not None and path is not None  # the plan was made on this tree
    there = draft.seen.get(target)
    copied = replace(entry, mtime_ns=now_ns)
    if entry.is_directory:
        draft.note(target, replace(there, mtime_ns=now_ns) if there is not None else copied)
        for name, _ in draft.seen.children(source):
            _copy(draft, (*source, name), (*target, name), layers, now_ns)
        return
    if entry.kind is Kind.FILE:
        copy_file(path, draft.room(target))
        stamp(draft.room(target), copied)
    else:
        make(draft.room(target), copied)
    draft.note(target, copied)


def _existing(tree: Tree, parts: Parts, path: str) -> Entry:
    entry = tree.get(parts)
    if entry is None:
        raise NotFound(f"No such file or directory: '{path}'")
    return entry

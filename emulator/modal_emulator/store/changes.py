"""
What a container wrote, found in the directory where the kernel left it.

Linux overlays put everything that was written into one upper directory: files as they are, a
character device 0:0 for what was removed, an attribute on directories that hide (`opaque`) or
move (`redirect`) what lies below. Here that is read against the tree the container started from
and made explicit in a draft: every path that differs, and its bytes. What was committed before is
skipped by its `Mark`, so a commit costs what changed since the last one.

The kernel stamps what is written with the machine's time. Where the emulator's is another, files
themselves get that as they are collected, so that whoever looks at them from now on sees it.

Times do not tell what is stored into a file through memory; who knows which files are mapped for
that names them (`stored`), and they are compared.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from modal_emulator.store.copying import GONE, AnyPath, make, place, same_bytes
from modal_emulator.store.drafts import Draft
from modal_emulator.store.layer import describe, find, is_removal
from modal_emulator.store.paths import Parts
from modal_emulator.store.tree import Entry, Kind, Tree

__all__ = ["Collected", "Mark", "Marks", "Stamps", "Upper", "collect"]

_RACY_NS = 50_000_000
"""
Kernels before 6.13 stamp files by a clock that ticks every 1 to 10 ms, so a file changed in the
tick in which it was copied looks unchanged. Within this span the bytes are compared instead.
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """What was there when a path was last committed, to know it again."""

    entry: Entry | None
    inode: int = 0
    ctime_ns: int = 0
    kept: Path | None = None
    """The committed bytes, where the times alone cannot tell whether they are still the same."""


Marks = Mapping[Parts, Mark]

Stamps = Callable[[int], int]
"""Reads the kernel's stamp as the instant of writing; what is no such stamp stays as it is."""


@dataclass(frozen=True, slots=True)
class Upper:
    """Where a container's writing is, and what it was written on."""

    path: Path
    base: Tree
    layers: tuple[Path, ...]
    """They hold the bytes of `base`, the newest first."""
    marks: Marks
    kept: Path
    """A directory on the same file system, for bytes that are compared with later."""
    stored: frozenset[int] = frozenset()
    """Inodes of files that were perhaps stored into through memory, which leaves no stamp."""
    stamps: Stamps | None = None
    """None where the machine's time was the emulator's all the while."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The marks that make what was collected the last commit."""

    marks: Marks
    stale: tuple[Path, ...]
    """Kept bytes that nothing needs once these marks count."""


def collect(upper: Upper, draft: Draft) -> Collected:
    """
    Write into `draft` what a container wrote and its marks do not know yet.

    Files may be written to all the while, and are then taken as they are; but not if the draft
    takes them over.
    """
    # The clock to compare with is the file system's own.
    horizon = draft.directory.stat().st_ctime_ns - _RACY_NS
    reader = _Reader(upper, draft, horizon)
    reader.root()
    reader.vanished()
    needed = {mark.kept for mark in reader.now.values()}
    kept = (mark.kept for mark in upper.marks.values())
    return Collected(reader.now, tuple(path for path in kept if path and path not in needed))


@dataclass(slots=True)
class _Reader:
    """One pass over an upper directory."""

    upper: Upper
    draft: Draft
    horizon: int
    now: dict[Parts, Mark] = field(default_factory=dict)
    _found: list[tuple[Path, Parts, Parts | None, bool]] = field(default_factory=list)
    """Directories still to be read. No recursion: a tree may be deeper than Python's stack."""

    def root(self) -> None:
        entry = describe(self.upper.path, self._dated(self.upper.path, self.upper.path.lstat()))
        assert entry is not None  # a directory that we made
        self._directory_itself((), entry)
        self._found.append((self.upper.path, (), (), False))
        while self._found:
            path, parts, origin, hidden = self._found.pop()
            self._directory(path, parts, origin, hidden=hidden)

    def vanished(self) -> None:
        """
        Settle what was committed before and is not in the upper directory any more.

        What the base never had is then removed; what it has is seen again as the base has it.
        """
        gone: set[Parts] = set()
        for parts in sorted(set(self.upper.marks) - set(self.now)):
            above = [parts[:depth] for depth in range(1, len(parts))]
            if any(_hides(self.now.get(path)) or path in gone for path in above):
                continue  # it went with a directory above it
            if self.upper.base.get(parts) is not None:
                self._from_base(parts, parts)
                continue
            gone.add(parts)
            self._removed(parts)
            del self.now[parts]  # there is nothing left to know again

    # ------------------------------------------------------- directories

    def _directory(self, path: Path, parts: Parts, origin: Parts | None, *, hidden: bool) -> None:
        """
        Read one upper directory; the base's directory `origin` shows through it.

        The origin is its own path, another one after a rename (`redirect`), or None (`opaque`).
        `hidden` tells that the last commit had the base's directory removed: it was renamed
        away and is back.
        """
        try:
            with os.scandir(path) as listing:
                found = list(listing)
        except OSError as error:
            if error.errno not in GONE:
                raise
            return  # it went while we looked; the next commit will see that
        for item in found:
            self._name(item, (*parts, item.name), _below(origin, item.name), hidden=hidden)
        names = {item.name for item in found}
        if origin != parts or hidden:
            self._unlike_base(parts, origin, names)

    def _unlike_base(self, parts: Parts, origin: Parts | None, names: set[str]) -> None:
        """Make explicit what a directory shows of its origin, and hides of its own path."""
        if origin is not None:
            for name, _ in self.upper.base.children(origin):
                if name not in names:
                    names.add(name)
                    self._from_base((*parts, name), (*origin, name))
        for name, _ in self.upper.base.children(parts):
            if name not in names:
                self._removed((*parts, name))

    def _directory_itself(self, parts: Parts, entry: Entry) -> None:
        self.now[parts] = Mark(entry)
        if entry != self.draft.seen.get(parts):
            self.draft.note(parts, entry)

    # ------------------------------------------------------- names

    def _name(
        self, item: os.DirEntry[str], parts: Parts, origin: Parts | None, *, hidden: bool
    ) -> None:
        before = self.upper.marks.get(parts)
        try:
            status = item.stat(follow_symlinks=False)
            if (
                before is not None
                and status.st_ino not in self.upper.stored
                and _unchanged(before, status)
            ):
                self.now[parts] = before
                return
            if self.upper.stamps is not None:
                status = self._dated(item.path, status)
            entry = describe(item.path, status)
        except OSError as error:
            if error.errno not in GONE:
                raise
            return  # it went while we looked; so it is not there
        if entry is None:
            # A removal; or a device, which hides what is below it too, but is not kept itself.
            if self.upper.base.get(parts) is not None:
                self._removed(parts)
        elif entry.is_directory:
            self._directory_itself(parts, entry)
            hidden = hidden or _hides(before)
            path = Path(item.path)
            self._found.append((path, parts, _origin(path, origin), hidden))
        elif entry.kind is Kind.FILE:
            self._file(item, parts, Mark(entry, status.st_ino, status.st_ctime_ns), status)
        else:
            self._special(parts, entry)

    def _dated(self, path: AnyPath, status: os.stat_result) -> os.stat_result:
        """Give what is at a path the instant at which it was written; returns its status then."""
        stamps = self.upper.stamps
        written = status.st_mtime_ns if stamps is None else stamps(status.st_mtime_ns)
        if written == status.st_mtime_ns or is_removal(status):
            return status
        os.utime(path, ns=(written, written), follow_symlinks=False)
        return os.lstat(path)

    def _removed(self, parts: Parts) -> None:
        self.now[parts] = Mark(None)
        if self.draft.seen.get(parts) is not None:
            self.draft.remove(parts)

    def _special(self, parts: Parts, entry: Entry) -> None:
        self.now[parts] = Mark(entry)
        if entry != self.draft.seen.get(parts):
            make(self.draft.room(parts), entry)
            self.draft.note(parts, entry)

    # ------------------------------------------------------- files

    def _file(
        self, item: os.DirEntry[str], parts: Parts, mark: Mark, status: os.stat_result
    ) -> None:
        before = self.upper.marks.get(parts)
        if before is None:
            below = self._copied_up(item, parts, mark)
            if below is not None:
                self.now[parts] = replace(mark, kept=self._keep(below, mark))
                return
        elif _alike(before, mark) and self._as_kept(item, before):
            self.now[parts] = before if self._doubtful(mark) else mark
            return
        try:
            entry = self.draft.bring(item.path, parts, status)
        except FileNotFoundError:
            return
        kept = self._keep(self.draft.room(parts), mark) if self._doubtful(mark) else None
        self.now[parts] = Mark(entry, mark.inode, mark.ctime_ns, kept)
        self.draft.note(parts, entry)

    def _copied_up(self, item: os.DirEntry[str], parts: Parts, mark: Mark) -> Path | None:
        """
        Return the base's file if this is a copy of it and no more.

        The kernel copies a file up when it is opened for writing, written to or not; taking that
        for a change would overwrite what others committed.
        """
        if mark.entry != self.upper.base.get(parts) or mark.entry != self.draft.seen.get(parts):
            return None
        below = find(self.upper.layers, parts)
        return below if below is not None and same_bytes(Path(item.path), below) else None

    def _keep(self, source: Path, mark: Mark) -> Path | None:
        """Keep committed bytes for comparison if the times alone will not tell a change."""
        if not self._doubtful(mark):
            return None
        kept = self.upper.kept / f"{self.draft.directory.name}-{len(self.now)}"
        os.link(source, kept)
        return kept

    def _as_kept(self, item: os.DirEntry[str], before: Mark) -> bool:
        """Say whether a file that looks as it was committed is so, as far as that is in doubt."""
        if before.kept is None:
            return before.inode not in self.upper.stored
        return same_bytes(Path(item.path), before.kept)

    def _doubtful(self, mark: Mark) -> bool:
        """Say whether times alone will not tell the next change."""
        # What is taken over is not compared with again.
        doubtful = mark.ctime_ns >= self.horizon or mark.inode in self.upper.stored
        return doubtful and not self.draft.takes_over

    def _from_base(self, parts: Parts, origin: Parts) -> None:
        """Show at one path what the base has at another, with all below it."""
        pending = [(parts, origin)]
        while pending:
            parts, origin = pending.pop()
            entry, source = self.upper.base.get(origin), find(self.upper.layers, origin)
            assert entry is not None and source is not None
            if not entry.is_directory:
                self._file_from_base(parts, entry, source)
                continue
            self._directory_itself(parts, entry)
            for name, _ in self.upper.base.children(origin):
                pending.append(((*parts, name), (*origin, name)))
            for name, _ in self.upper.base.children(parts):
                if self.upper.base.get((*origin, name)) is None:
                    self._removed((*parts, name))

    def _file_from_base(self, parts: Parts, entry: Entry, source: Path) -> None:
        mark = Mark(entry, source.stat(follow_symlinks=False).st_ino)
        self.now[parts] = mark
        before = self.upper.marks.get(parts)
        if before is None or not _alike(before, mark):
            place(source, self.draft.room(parts), entry)
            self.draft.note(parts, entry)


def _hides(mark: Mark | None) -> bool:
    """Say whether nothing of the base shows where this is."""
    return mark is not None and (mark.entry is None or not mark.entry.is_directory)


def _alike(before: Mark, mark: Mark) -> bool:
    return (before.entry, before.inode, before.ctime_ns) == (
        mark.entry,
        mark.inode,
        mark.ctime_ns,
    )


def _unchanged(mark: Mark, status: os.stat_result) -> bool:
    """Say, for most files at little cost, whether a file is as it was committed."""
    return (
        mark.ctime_ns == status.st_ctime_ns
        and mark.inode == status.st_ino
        and mark.kept is None
        and mark.entry is not None
        and mark.entry.mtime_ns == status.st_mtime_ns
        and mark.entry.size == status.st_size
    )


def _below(origin: Parts | None, name: str) -> Parts | None:
    return None if origin is None else (*origin, name)


def _origin(path: Path, origin: Parts | None) -> Parts | None:
    """Return which directory of the base shows through an upper directory, if any does."""
    attributes = _overlay_attributes(path)
    if attributes.get("opaque") == b"y":
        return None
    redirect = attributes.get("redirect")
    if redirect is None:
        return origin
    moved = os.fsdecode(redirect)
    if moved.startswith("/"):
        return tuple(name for name in moved.split("/") if name)
    # A single name: renamed within its directory, as the layers below know that directory.
    return None if origin is None else (*origin[:-1], moved)


def _overlay_attributes(path: Path) -> dict[str, bytes]:
    """Read what the kernel noted on a directory; it uses `trusted` as root, else `user`."""
    found: dict[str, bytes] = {}
    try:
        for name in os.listxattr(path, follow_symlinks=False):
            space, _, word = name.partition(".overlay.")
            if space in ("trusted", "user") and word in ("opaque", "redirect"):
                found[word] = os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno not in GONE:
            raise
    return found

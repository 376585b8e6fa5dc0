"""
Versions as tar archives: written from an edition, read one member after another, laid out on disk.

Archives are streams both ways, never whole in memory, in the POSIX format (pax), so names, times
and sizes are kept exactly. What a volume cannot hold is refused when it is met. A socket has no
place in an archive and is left out, as tar itself does.
"""

import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Protocol, cast

from modal_emulator.ground.errors import Conflict, DataLoss, Invalid
from modal_emulator.store.copying import dispose, make, stamp
from modal_emulator.store.editions import Edition
from modal_emulator.store.paths import LONGEST_NAME, LONGEST_PATH, Parts, show
from modal_emulator.store.tree import Entry, Kind

__all__ = ["Member", "Sink", "Source", "fill", "lay_out", "members", "pack", "read"]

_BATCH = 1 << 19
_NANO = 1_000_000_000
_TYPES = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}


class Source(Protocol):
    """Where an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes: as many as asked for, unless the end comes first."""
        ...


class Sink(Protocol):
    """Where an archive is written to."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes, all of them."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """One path with what it is, and a way to its bytes if it is a file."""

    parts: Parts
    entry: Entry
    open: Callable[[], IO[bytes]] | None = None
    same_as: Parts | None = None
    """A hard link: the file is another name of this one, which came before."""


# -------------------------------------------------------------------- out of a volume


def members(edition: Edition) -> Iterator[Member]:
    """Go through all of an edition, each directory before what is in it, the root first."""
    yield Member((), edition.tree.root.entry)
    for parts, entry in edition.tree.walk():
        path = edition.find(parts) if entry.kind is Kind.FILE else None
        yield Member(parts, entry, None if path is None else _opener(path))


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def pack(edition: Edition, sink: Sink) -> None:
    """Write an edition as an archive; slow, and safe in any thread."""
    with tarfile.open(
        fileobj=cast("IO[bytes]", sink),  # a stream is only written to
        mode="w|",
        format=tarfile.PAX_FORMAT,
        bufsize=_BATCH,
        encoding="utf-8",
        errors="surrogateescape",
    ) as tar:
        for member in members(edition):
            if member.entry.kind not in _TYPES:
                continue
            if member.open is None:
                tar.addfile(_header(member))
            else:
                with member.open() as file:
                    tar.addfile(_header(member), file)


def _header(member: Member) -> tarfile.TarInfo:
    entry = member.entry
    header = tarfile.TarInfo("/".join(member.parts) or ".")
    header.type = _TYPES[entry.kind]
    header.size = entry.size if entry.kind is Kind.FILE else 0
    header.mode, header.linkname = entry.mode, entry.target
    header.mtime = entry.mtime_ns // _NANO
    if entry.mtime_ns % _NANO:  # as text: a float would lose the last digits
        header.pax_headers = {"mtime": f"{Decimal(entry.mtime_ns) / _NANO:f}"}
    return header


# -------------------------------------------------------------------- out of an archive


class _Header(tarfile.TarInfo):
    """A header that does not take the end of the stream for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise  # the block of zeros that belongs there
        except tarfile.HeaderError as error:
            raise Invalid(f"The archive is damaged or cut short: {error}") from error


def read(source: Source) -> Iterator[Member]:
    """
    Go through an archive; each member's bytes must be read before the next is asked for.

    It may be compressed in the ways that tarfile knows.

    Raises:
        Invalid: it is no archive, is cut short, or holds what no volume can hold.
    """
    try:
        with tarfile.open(
            fileobj=cast("IO[bytes]", source),  # a stream is only read from
            mode="r|*",
            bufsize=_BATCH,
            encoding="utf-8",
            errors="surrogateescape",
            tarinfo=_Header,
        ) as tar:
            while (header := tar.next()) is not None:
                yield _member(tar, header)
                tar.members.clear()  # type: ignore[attr-defined] # it would remember them all
    except (tarfile.TarError, EOFError) as error:
        raise Invalid(f"The archive cannot be read: {error}") from error


def _member(tar: tarfile.TarFile, header: tarfile.TarInfo) -> Member:
    parts = _parts(header.name)
    if not parts and not header.isdir():
        raise Invalid(f"'{header.name}' is in the place of the root directory")
    if header.islnk() or header.isreg():
        kind = Kind.FILE
    elif header.isdir():
        kind = Kind.DIRECTORY
    elif header.issym():
        kind = Kind.SYMLINK
    elif header.isfifo():
        kind = Kind.FIFO
    else:
        raise Invalid(f"'{show(parts)}' is a device or something else that a Volume cannot hold")
    target = header.linkname if kind is Kind.SYMLINK else ""
    size = header.size if kind is Kind.FILE else len(os.fsencode(target))
    entry = Entry(kind, size, _time(header), header.mode & 0o7777, target)
    if header.islnk():
        return Member(parts, entry, same_as=_parts(header.linkname))
    if kind is Kind.FILE:
        return Member(parts, entry, lambda: cast("IO[bytes]", tar.extractfile(header)))
    return Member(parts, entry)


def _time(header: tarfile.TarInfo) -> int:
    """Return the time of a member in nanoseconds; tarfile itself reads it as a float."""
    try:
        time_ns = int(Decimal(header.pax_headers.get("mtime") or header.mtime) * _NANO)
    except (ArithmeticError, ValueError):
        time_ns = 1 << 63
    if not -(1 << 63) <= time_ns < 1 << 63:
        raise Invalid(f"'{header.name}' has a time that no file can have")
    return time_ns


def _parts(name: str) -> Parts:
    """Return the path of a member, which may hold odd bytes; a slash in front is dropped."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Invalid(f"'{show(parts)}' leads out of the Volume")
    sizes = [len(os.fsencode(part)) for part in parts]
    if any(size > LONGEST_NAME for size in sizes) or sum(sizes) + len(sizes) > LONGEST_PATH:
        raise Invalid(f"'{show(parts)[:80]}...': the path or a name in it is too long")
    return parts


# -------------------------------------------------------------------- onto a disk


def fill(path: Path, member: Member) -> None:
    """
    Write a new file, or make what has no bytes.

    Raises:
        Invalid: the archive that the bytes come from is damaged or cut short.
    """
    if member.open is None:
        make(path, member.entry)
        return
    try:
        with member.open() as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, _BATCH)
            size = target.tell()
    except tarfile.TarError as error:
        raise Invalid(f"The archive is damaged or cut short: {error}") from error
    if size != member.entry.size:
        raise DataLoss(f"'{show(member.parts)}' has {size} of {member.entry.size} bytes")
    stamp(path, member.entry)


def lay_out(found: Iterable[Member], directory: Path) -> None:
    """
    Write members into a new or empty directory; all of them, or nothing stays.

    Links are made as they are and never followed, so nothing is written outside.

    Raises:
        Conflict: the directory is there and not empty, or something else is.
    """
    fresh = not os.path.lexists(directory)
    if not fresh and (not directory.is_dir() or any(directory.iterdir())):
        raise Conflict(f"{directory} is there already and is not an empty directory")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        _write(found, directory)
    except BaseException:
        for path in directory.iterdir():
            dispose(path)
        if fresh:
            directory.rmdir()
        raise


def _write(found: Iterable[Member], directory: Path) -> None:
    rooms: dict[Parts, Entry] = {}
    for member in found:
        path = directory.joinpath(*member.parts)
        if member.parts and member.parts[:-1] not in rooms:
            raise Invalid(f"'{show(member.parts)}' comes before the directory that it is in")
        if member.same_as is not None:
            raise Invalid(f"'{show(member.parts)}' is a hard link, and editions have none")
        if not member.entry.is_directory:
            fill(path, member)
            continue
        rooms[member.parts] = member.entry
        if member.parts:
            path.mkdir()
    for parts, entry in reversed(rooms.items()):
        stamp(directory.joinpath(*parts), entry)

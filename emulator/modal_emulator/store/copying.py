"""
Moving bytes about on disk.

Copies keep holes, use the kernel's own copying where there is one, and never follow a symlink.
It knows files and entries, not layers.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from modal_emulator.ground.removal import dispose
from modal_emulator.store.tree import Entry, Kind

__all__ = [
    "GONE",
    "AnyPath",
    "copy_bytes",
    "copy_file",
    "dispose",
    "make",
    "place",
    "same_bytes",
    "stamp",
    "take_file",
]

GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ENODATA)
"""How the kernel says that what was listed a moment ago is not there any more, or is another."""

AnyPath = str | Path
"""Where there are many files, making a `Path` of each would take most of the time."""

_CHUNK = 1 << 20
_AT_ONCE = 1 << 30  # the most that one copy_file_range call is asked for
_CANNOT_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_CANNOT_LINK = (errno.EMLINK, errno.EXDEV, errno.EPERM, errno.ENOTSUP)


def copy_file(source: AnyPath, target: AnyPath) -> Entry:
    """
    Copy a regular file that others may be writing to, as it is.

    Returns what was copied: size and times belong together, also when the file grows meanwhile.

    Raises:
        FileNotFoundError: there is no regular file of this name (any more).
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        reader = os.open(source, flags)
    except OSError as error:
        if error.errno not in GONE:
            raise
        raise FileNotFoundError(source) from error
    try:
        status = os.fstat(reader)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(source)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        writer = os.open(target, flags, 0o600)
        try:
            copy_bytes(reader, writer, status.st_size)
            size = os.fstat(writer).st_size
        finally:
            os.close(writer)
    finally:
        os.close(reader)
    entry = Entry(Kind.FILE, size, status.st_mtime_ns, stat.S_IMODE(status.st_mode))
    stamp(target, entry)
    return entry


def take_file(source: AnyPath, target: AnyPath, status: os.stat_result) -> Entry:
    """
    Show a regular file that nobody will write to again at another path, without copying.

    `status` is that of the source. The target gets what a copy would have: whose a file is does not
    survive a commit, nor do its extended attributes.

    Raises:
        FileNotFoundError: there is no file of this name (any more).
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        return copy_file(source, target)
    with suppress(OSError):  # a file system that has none, or a file that may not be changed
        for name in os.listxattr(target, follow_symlinks=False):
            if name.startswith("user."):
                os.removexattr(target, name, follow_symlinks=False)
    mode = stat.S_IMODE(status.st_mode)
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(target, os.geteuid(), os.getegid())
        os.chmod(target, mode)  # noqa: PTH101 - the kernel takes set-id bits away
    return Entry(Kind.FILE, status.st_size, status.st_mtime_ns, mode)


def copy_bytes(reader: int, writer: int, size: int) -> None:
    """Copy the first `size` bytes of one open file to another, and no more than there are."""
    size = min(size, os.fstat(reader).st_size)
    os.ftruncate(writer, size)
    end = 0
    while end < size:
        try:
            start = os.lseek(reader, end, os.SEEK_DATA)
            end = min(os.lseek(reader, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # only a hole is left
        copy_range(reader, writer, start, end, onto=start)
    os.ftruncate(writer, min(size, os.fstat(reader).st_size))  # it may have been cut meanwhile


def copy_range(reader: int, writer: int, start: int, end: int, *, onto: int) -> None:
    """Copy a part of an open file to the place `onto` in another, by the kernel if it can."""
    while start < end:
        try:
            count = os.copy_file_range(
                reader, writer, min(end - start, _AT_ONCE), offset_src=start, offset_dst=onto
            )
        except OSError as error:
            if error.errno not in _CANNOT_COPY:
                raise
            data = os.pread(reader, min(end - start, _CHUNK), start)
            count = os.pwrite(writer, data, onto)
        if count == 0:
            return  # the file ended early
        start += count
        onto += count


def make(path: Path, entry: Entry) -> None:
    """Make what has no bytes of its own: a directory, symlink, FIFO or socket."""
    if entry.kind is Kind.DIRECTORY:
        path.mkdir()
        return  # its times are stamped when all is in it
    if entry.kind is Kind.SYMLINK:
        path.symlink_to(entry.target)
    else:
        kind = stat.S_IFIFO if entry.kind is Kind.FIFO else stat.S_IFSOCK
        os.mknod(path, kind | 0o600)
    stamp(path, entry)


def place(source: Path, target: Path, entry: Entry) -> None:
    """Show a file that will never change again at another path too, without copying if possible."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        if entry.kind is Kind.FILE:
            copy_file(source, target)
        else:
            make(target, entry)


def stamp(path: AnyPath, entry: Entry) -> None:
    """Give a file the mode and time of its entry."""
    if entry.kind is not Kind.SYMLINK:
        os.chmod(path, entry.mode)  # noqa: PTH101
    os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)


def same_bytes(one: Path, other: Path) -> bool:
    """Say whether two regular files hold the same."""
    with one.open("rb", buffering=0) as first, other.open("rb", buffering=0) as second:
        if os.fstat(first.fileno()).st_size != os.fstat(second.fileno()).st_size:
            return False
        while data := first.read(_CHUNK):
            if data != second.read(len(data)):
                return False
    return True

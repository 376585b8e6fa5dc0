"""
What programs ask of a file system, done inside containers.

Sent by reference like the `bodies`; only the standard library may be imported here. Most of what
clauses need is in `os` and `shutil` already, and is sent from there.
"""

import fcntl
import mmap
import os
import socket
from collections.abc import Sequence
from pathlib import Path

__all__ = [
    "append_in_pieces",
    "create_exclusively",
    "dig",
    "lock_twice",
    "make_sparse",
    "make_special_files",
    "overwrite_in_place",
    "room",
    "shape",
    "swap_directories",
    "try_lock",
    "write_through_a_map",
]

LOCKED: list[int] = []


def create_exclusively(path: str) -> None:
    """Make a file that nobody has made."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def append_in_pieces(path: str, *pieces: bytes) -> None:
    """Add to the end by two descriptors in turn, as two log writers do."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    descriptors = [os.open(path, flags) for _ in range(2)]
    for number, piece in enumerate(pieces):
        os.write(descriptors[number % 2], piece)
    for descriptor in descriptors:
        os.close(descriptor)


def overwrite_in_place(path: str, offset: int, data: bytes) -> None:
    """Change a few bytes of a file and leave the others."""
    with Path(path).open("r+b") as file:
        file.seek(offset)
        file.write(data)


def write_through_a_map(path: str, offset: int, data: bytes) -> None:
    """Change a few bytes of a file by way of memory."""
    with Path(path).open("r+b") as file, mmap.mmap(file.fileno(), 0) as pages:
        pages[offset : offset + len(data)] = data
        pages.flush()


def swap_directories(live: str, fresh: str, old: str) -> None:
    """Put a new directory in the place of one that is in use."""
    Path(live).rename(old)
    Path(fresh).rename(live)


def make_special_files(directory: str) -> None:
    """Make a pipe with a name and a socket."""
    os.mkfifo(f"{directory}/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/socket")


def make_sparse(path: str, size: int) -> None:
    """Make a file of a hole with a word at its end."""
    with Path(path).open("wb") as file:
        file.seek(size - 3)
        file.write(b"end")


def shape(path: str) -> tuple[int, int, int]:
    """Return the size of a file, the bytes that it takes on the disk, and its mode."""
    status = os.lstat(path)
    return status.st_size, status.st_blocks * 512, status.st_mode


def room(path: str) -> tuple[int, int]:
    """Return how many bytes there are in all and free, as `df` asks for them."""
    answer = os.statvfs(path)
    return answer.f_frsize * answer.f_blocks, answer.f_frsize * answer.f_bavail


def try_lock(path: str) -> bool:
    """Lock a file for this container if nobody has, and keep it locked after this input."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    LOCKED.append(descriptor)
    return True


def dig(top: str, names: Sequence[str]) -> None:
    """Make one directory in the other and a file in the last; `os.makedirs` gives up early."""
    place = top
    for name in names:
        place = f"{place}/{name}"
        Path(place).mkdir()
    Path(place, "a.txt").write_text("1", "utf-8")


def lock_twice(path: str) -> tuple[bool, bool, bool]:
    """Lock a file, try to lock it again by another descriptor, and once more when it is free."""
    answers = [try_lock(path), try_lock(path)]
    while LOCKED:
        os.close(LOCKED.pop())
    answers.append(try_lock(path))
    while LOCKED:
        os.close(LOCKED.pop())
    first, second, third = answers
    return first, second, third

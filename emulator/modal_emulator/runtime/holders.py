"""
Who has a file or the working directory inside a directory, read from /proc.

Needed where no mount can answer that: the kernel itself refuses to unmount what is held.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["PROC", "is_held", "is_held_by", "processes_in"]

PROC = Path("/proc")


def is_held(directory: Path, ancestor: int, proc: Path = PROC) -> bool:
    """
    Tell whether process `ancestor` or a descendant of it holds anything in `directory`.

    A system without `proc` cannot be asked; there nothing seems to be held.
    """
    if not proc.is_dir():
        return False
    inside = f"{directory}{os.sep}"
    return any(
        held == str(directory) or held.startswith(inside)
        for pid in _family(ancestor, proc)
        for held in _held_by(proc / pid, directory)
    )


def is_held_by(directory: Path, pid: int, proc: Path = PROC) -> bool:
    """Tell whether any thread of one process holds anything in `directory`."""
    inside, place = f"{directory}{os.sep}", proc / str(pid)
    working: list[str] = []
    with suppress(OSError):
        for task in os.listdir(place / "task"):  # noqa: PTH208
            with suppress(OSError):
                working.append(os.readlink(place / "task" / task / "cwd"))  # noqa: PTH115
    return any(
        held == str(directory) or held.startswith(inside)
        for held in (*working, *_held_by(place, directory))
    )


def processes_in(namespace: str, proc: Path = PROC) -> set[int]:
    """Return the other processes in a mount namespace, named as its link in /proc does."""
    found = set()
    for name in os.listdir(proc):  # noqa: PTH208
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError):
                if os.readlink(proc / name / "ns" / "mnt") == namespace:  # noqa: PTH115
                    found.add(int(name))
    return found


def _family(ancestor: int, proc: Path) -> set[str]:
    parents: dict[str, str] = {}
    for name in os.listdir(proc):  # noqa: PTH208
        if name.isdigit():
            with suppress(OSError):
                # The name in parentheses may hold anything; the parent is the second field after.
                words = _read(f"{proc}/{name}/stat").rpartition(b")")[2].split()
                parents[name] = words[1].decode()
    family, is_growing = {str(ancestor)}, True
    while is_growing:
        born = {pid for pid, parent in parents.items() if parent in family} - family
        family |= born
        is_growing = bool(born)
    return family


def _held_by(place: Path, directory: Path) -> Iterator[str]:
    """Yield what a process holds; of what is mapped, only what may be in the directory."""
    with suppress(OSError):
        yield os.readlink(place / "cwd")  # noqa: PTH115
    with suppress(OSError):
        for file in os.listdir(place / "fd"):  # noqa: PTH208
            with suppress(OSError):
                yield os.readlink(place / "fd" / file)  # noqa: PTH115
    with suppress(OSError):
        maps = _read(f"{place}/maps")
        for line in maps.splitlines() if os.fsencode(directory) in maps else ():
            fields = line.split(None, 5)
            if len(fields) > 5:
                yield os.fsdecode(fields[5])


def _read(path: str) -> bytes:
    """Read a file of /proc; there are many, and a text of each would take most of the time."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(file, 1 << 16):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(file)

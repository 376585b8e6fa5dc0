"""
The system calls that containers are watched for, and where their arguments say what they mean.

Numbers are those of 64-bit x86 and ARM; a program for another architecture is not watched. The
room makes no call itself.
"""

import mmap
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

__all__ = ["CALLS", "Call", "Kind", "Table", "table_here"]


class Kind(Enum):
    """What a call asks for."""

    LINK = "another name for a file"
    SYNC = "all of a file, or of a file system, on disk"
    FLUSH = "what was stored through memory, in its file"
    MAP = "a file in memory, to store into"
    MAKE = "a new name"
    MOVE = "another name in place of the old one"
    BIND = "an address of its own, for a socket"
    CONNECT = "a way to another socket"


@dataclass(frozen=True, slots=True)
class Call:
    """Which argument is what; None where the call has no such argument."""

    kind: Kind
    path: int = 0
    directory: int | None = None
    """The open directory that `path` starts in; without one, the working directory."""
    old_path: int | None = None
    old_directory: int | None = None
    flags: int | None = None
    how: int | None = None
    """Where the flags are in memory."""
    bits: tuple[tuple[int, int], ...] = ()
    """Arguments that must each have one of these bits; else the call is none of this kind."""


CALLS: dict[str, Call] = {
    "link": Call(Kind.LINK, 1, old_path=0),
    "linkat": Call(Kind.LINK, 3, 2, old_path=1, old_directory=0, flags=4),
    "fsync": Call(Kind.SYNC),
    "syncfs": Call(Kind.SYNC),
    "msync": Call(Kind.FLUSH),
    "mmap": Call(Kind.MAP, bits=((2, mmap.PROT_WRITE), (3, mmap.MAP_SHARED))),
    "open": Call(Kind.MAKE, 0, flags=1, bits=((1, os.O_CREAT),)),
    "openat": Call(Kind.MAKE, 1, 0, flags=2, bits=((2, os.O_CREAT),)),
    "openat2": Call(Kind.MAKE, 1, 0, how=2),
    "creat": Call(Kind.MAKE, 0),
    "mkdir": Call(Kind.MAKE, 0),
    "mkdirat": Call(Kind.MAKE, 1, 0),
    "mknod": Call(Kind.MAKE, 0),
    "mknodat": Call(Kind.MAKE, 1, 0),
    "symlink": Call(Kind.MAKE, 1),
    "symlinkat": Call(Kind.MAKE, 2, 1),
    "rename": Call(Kind.MOVE, 1, old_path=0),
    "renameat": Call(Kind.MOVE, 3, 2, old_path=1, old_directory=0),
    "renameat2": Call(Kind.MOVE, 3, 2, old_path=1, old_directory=0, flags=4),
    "bind": Call(Kind.BIND),
    "connect": Call(Kind.CONNECT),
}
OPENING = frozenset({"open", "openat", "openat2"})
"""They make a name only when their flags say so; `creat` always may."""


@dataclass(frozen=True, slots=True)
class Table:
    """One architecture."""

    audit: int
    """What the kernel calls it, <linux/audit.h>."""
    seccomp: int
    numbers: dict[str, int]

    def of_kinds(self, kinds: Iterable[Kind]) -> tuple[str, ...]:
        """Return the names of the calls of these kinds that the architecture has."""
        wanted = frozenset(kinds)
        return tuple(name for name in self.numbers if CALLS[name].kind in wanted)

    def kind(self, number: int) -> Kind | None:
        """Return what a call asks for."""
        name = self.name(number)
        return None if name is None else CALLS[name].kind

    def name(self, number: int) -> str | None:
        """Return the name of a call."""
        return next((name for name, each in self.numbers.items() if each == number), None)


_X86_64 = Table(
    0xC000_003E,
    317,
    {
        "link": 86,
        "linkat": 265,
        "fsync": 74,
        "syncfs": 306,
        "msync": 26,
        "mmap": 9,
        "open": 2,
        "openat": 257,
        "openat2": 437,
        "creat": 85,
        "mkdir": 83,
        "mkdirat": 258,
        "mknod": 133,
        "mknodat": 259,
        "symlink": 88,
        "symlinkat": 266,
        "rename": 82,
        "renameat": 264,
        "renameat2": 316,
        "bind": 49,
        "connect": 42,
    },
)
_AARCH64 = Table(
    0xC000_00B7,
    277,
    {
        "linkat": 37,
        "fsync": 82,
        "syncfs": 267,
        "msync": 227,
        "mmap": 222,
        "openat": 56,
        "openat2": 437,
        "mkdirat": 34,
        "mknodat": 33,
        "symlinkat": 36,
        "renameat": 38,
        "renameat2": 276,
        "bind": 200,
        "connect": 203,
    },
)
_TABLES = {"x86_64": _X86_64, "aarch64": _AARCH64}


def table_here() -> Table | None:
    """Return the table of the architecture that this process runs on, if there is one."""
    if not sys.platform.startswith("linux") or sys.maxsize < 1 << 32:
        return None
    return _TABLES.get(platform.machine())

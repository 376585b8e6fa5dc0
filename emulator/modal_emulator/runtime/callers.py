"""
What a waiting system call's arguments mean in its process: its memory, its paths.

Paths are looked up as the process would, with its root and its working directory. Nothing here
is certain for longer than the call waits, and a process that goes away is an OSError.
"""

import os
import socket
import struct
from dataclasses import dataclass

from modal_emulator.runtime import kernel

__all__ = ["Caller", "Place"]

_LONGEST = 4096  # PATH_MAX
_LINKS_AT_MOST = 40  # as in the kernel
_WORKING_DIRECTORY = -100  # AT_FDCWD


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a directory, whether or not it is taken."""

    device: int
    directory: int
    """The inode of the directory that the name is or would be in."""
    path: str
    """As the looking process sees it, without links on the way."""
    exists: bool


class Caller:
    """A thread that waits for the answer to a call."""

    def __init__(self, processes: str, thread: int) -> None:
        """Take the thread by its id below `processes`, a /proc."""
        self._proc = f"{processes}/{thread}"
        self._thread = thread

    def text(self, address: int) -> str:
        """Return the path that a pointer leads to."""
        return os.fsdecode(self._memory(address, _LONGEST).split(b"\0", 1)[0])

    def word(self, address: int) -> int:
        """Return the 64-bit number that a pointer leads to."""
        value: int = struct.unpack("=Q", self._memory(address, 8))[0]
        return value

    def data(self, address: int, size: int) -> bytes:
        """Return what a pointer leads to, or less where memory ends."""
        return self._memory(address, size)

    def socket(self, file: int) -> socket.socket:
        """Return the same open socket, to be closed after use."""
        return socket.socket(fileno=kernel.take_file(self._process(), _signed(file)))

    def opened(self, file: int) -> str:
        """Return the path of an open file, as the looking process sees it."""
        return os.readlink(f"{self._proc}/fd/{_signed(file)}")  # noqa: PTH115

    def mapped(self, address: int) -> str | None:
        """Return the path of the file that is in memory there, as the looking process sees it."""
        with open(f"{self._proc}/maps", errors="surrogateescape") as lines:  # noqa: PTH123
            for line in lines:
                span, _, _, _, _, *path = line.rstrip("\n").split(None, 5)
                first, last = (int(end, 16) for end in span.split("-"))
                if first <= address < last:
                    return path[0] if path else None
        return None

    def is_calling(self, numbers: "frozenset[int]") -> bool:
        """Tell whether the thread may just now be inside one of these calls."""
        try:
            with open(f"{self._proc}/syscall") as file:  # noqa: PTH123
                word = file.read().split()[0]
        except OSError:
            return False
        return word == "running" or int(word) in numbers

    def locate(self, directory: int | None, path: str, *, follow: bool) -> Place | None:
        """
        Return the place that a path leads to, or None where the call fails by itself.

        `directory` is an open one that relative paths start in; `follow` whether a link at the
        end stands for what it leads to.
        """
        top = os.readlink(f"{self._proc}/root").rstrip("/")  # noqa: PTH115
        root = os.open(f"{self._proc}/root", os.O_PATH | os.O_DIRECTORY)
        try:
            if not path.startswith("/"):
                path = f"{_below(self._start(directory), top)}/{path}"
            for _ in range(_LINKS_AT_MOST):
                found = _look(root, path)
                if not follow or found is None or not found.exists:
                    return found
                try:
                    target = os.readlink(found.path)  # noqa: PTH115
                except OSError:
                    return found
                near = os.path.dirname(_below(found.path, top))  # noqa: PTH120
                path = target if target.startswith("/") else f"{near}/{target}"
        except (FileNotFoundError, NotADirectoryError):
            return None
        finally:
            os.close(root)
        return None

    def _process(self) -> int:
        """Return a handle on the thread's process."""
        try:
            return os.pidfd_open(self._thread)
        except OSError:  # it is not the process's first thread
            with open(f"{self._proc}/status") as lines:  # noqa: PTH123
                line = next(line for line in lines if line.startswith("Tgid:"))
            return os.pidfd_open(int(line.split()[1]))

    def _start(self, directory: int | None) -> str:
        if directory is None or _signed(directory) == _WORKING_DIRECTORY:
            return os.readlink(f"{self._proc}/cwd")  # noqa: PTH115
        return self.opened(directory)

    def _memory(self, address: int, size: int) -> bytes:
        file = os.open(f"{self._proc}/mem", os.O_RDONLY)
        try:
            return os.pread(file, size, address)
        finally:
            os.close(file)


def _look(root: int, path: str) -> Place | None:
    head, _, name = path.rstrip("/").rpartition("/")
    if name in ("", ".", ".."):
        return None  # it is there already
    parent = kernel.open_inside(root, head or "/", os.O_PATH | os.O_DIRECTORY)
    try:
        status = os.fstat(parent)
        whole = f"{os.readlink(f'/proc/self/fd/{parent}').rstrip('/')}/{name}"  # noqa: PTH115
    finally:
        os.close(parent)
    return Place(status.st_dev, status.st_ino, whole, os.path.lexists(whole))


def _below(path: str, top: str) -> str:
    """Return what a process with the root `top` calls this path."""
    if not path.startswith(f"{top}/"):
        raise FileNotFoundError(path)  # it is outside: only links of /proc lead there
    return path[len(top) :]


def _signed(file: int) -> int:
    """Return a file number that came in a register."""
    value = file & 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value

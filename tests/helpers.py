"""
What several test rooms need to see: what a piece of work left behind on this machine.

`Traces` are the processes below this one, the emulator's mounts that this process sees, and its
files in memory and in a temporary directory. Take them before and after and compare.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Traces", "command_line", "descendants", "eventually"]

NAME = "modal-emulator"
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Traces:
    """What can be left behind: process ids with their command lines, mounts, files."""

    processes: frozenset[tuple[int, str]]
    mounts: frozenset[str]
    files: frozenset[str]

    @classmethod
    def now(cls, temporary: Path) -> "Traces":
        """Look around: at everything in this temporary directory, and in shared memory."""
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        return cls(
            frozenset((pid, command_line(pid)) for pid in descendants(os.getpid())),
            frozenset(line for line in mounts if NAME in line or str(temporary) in line),
            frozenset(map(str, (*temporary.iterdir(), *_in_memory()))),
        )

    def since(self, before: "Traces") -> "Traces":
        """Return what is here now and was not before."""
        return Traces(
            self.processes - before.processes,
            self.mounts - before.mounts,
            self.files - before.files,
        )

    def __bool__(self) -> bool:
        return bool(self.processes or self.mounts or self.files)


def _in_memory() -> list[Path]:
    """Return the emulator's directories in memory, but for those of other, living processes."""
    if not SHARED_MEMORY.is_dir():
        return []
    ours = {os.getpid(), *descendants(os.getpid())}
    return [
        path
        for path in SHARED_MEMORY.glob(f"{NAME}-*-*")
        if (pid := int(path.name.split("-")[2])) in ours or not command_line(pid)
    ]


def descendants(pid: int) -> set[int]:
    """Return the processes below this one, zombies left out."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            status = _status(int(entry.name))
            if status is not None and status[0] != "Z":
                parents[int(entry.name)] = status[1]
    found: set[int] = set()
    frontier = {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier}
        found |= frontier
    return found


def _status(pid: int) -> tuple[str, int] | None:
    try:
        # The command's name may hold spaces and brackets: what counts follows the last one.
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return words[0], int(words[1])


def command_line(pid: int) -> str:
    """Return how the process was started, or nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Ask until the answer is yes, for what another process does in its own time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True

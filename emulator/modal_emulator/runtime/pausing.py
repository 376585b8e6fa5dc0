"""
Stopping all processes of a container for a moment.

Runs in a warden. What user code must not see half-done is done while every thread of every process
stands still, as a debugger would have it: nobody reads or writes, and nobody notices, for blocking
calls go on afterwards. Whether all stand still is read from the container's own /proc.
"""

import os
import signal
from pathlib import Path

from modal_emulator.ground.clock import rest

__all__ = ["Pause"]

_STILL = frozenset("TtZX")  # stopped, traced, ended; proc(5)
_LOOK = 0.0005  # seconds
_LOOKS = 200  # a process that waits for a disk or in a vfork cannot be stopped


class Pause:
    """The standing still of one container; several reasons for it may overlap."""

    def __init__(self, proc: Path) -> None:
        """Use `proc`, where the container's own /proc is mounted."""
        self._proc = proc
        self._reasons: set[str] = set()
        self._stopped: set[int] = set()

    def begin(self, reason: str) -> bool:
        """Stop everything; False, and all go on, if that cannot be had."""
        if not self._reasons and not self._stop():
            self._go_on()
            return False
        self._reasons.add(reason)
        return True

    def end(self, reason: str) -> None:
        """Take a reason back; with the last one all go on. One that was not given counts not."""
        if reason in self._reasons:
            self._reasons.remove(reason)
            if not self._reasons:
                self._go_on()

    def _stop(self) -> bool:
        if not self._is_own():
            return False
        rested = {pid for pid in self._pids() if self._is_still(pid)}
        for _ in range(_LOOKS):
            # Anew each time: until all stand still, some may fork.
            running = [pid for pid in self._pids() - rested if not self._is_still(pid)]
            if not running:
                return True
            for pid in running:
                if pid not in self._stopped:
                    _signal(pid, signal.SIGSTOP)
                    self._stopped.add(pid)
            rest(_LOOK)
        return False

    def _go_on(self) -> None:
        for pid in self._stopped:
            _signal(pid, signal.SIGCONT)
        self._stopped.clear()

    def _is_own(self) -> bool:
        """Tell whether process ids mean the same there and here: it may be the machine's /proc."""
        try:
            return os.readlink(self._proc / "self") == str(os.getpid())  # noqa: PTH115
        except OSError:
            return False

    def _pids(self) -> set[int]:
        return {int(name) for name in os.listdir(self._proc) if name.isdigit()} - {os.getpid()}  # noqa: PTH208

    def _is_still(self, pid: int) -> bool:
        tasks = self._proc / str(pid) / "task"
        try:
            return all(_state(tasks / name / "stat") in _STILL for name in os.listdir(tasks))  # noqa: PTH208
        except OSError:
            return True  # it has ended


def _state(stat: Path) -> str:
    try:
        # The name in parentheses may hold anything; the state is the first field after.
        return stat.read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return

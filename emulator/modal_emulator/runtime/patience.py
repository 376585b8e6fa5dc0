"""
By which clock the SDK of this process waits for a Queue.

`Queue.get(timeout=60)` asks the server in slices until `time.time()` is past the sixtieth second.
Where the emulator's clock jumps, the machine's is late to notice; so `modal.queue`, and nothing
else, finds the emulator's time where it looks for Python's.
"""

import importlib
from collections.abc import Callable
from typing import Any

from modal_emulator.runtime.replacing import wrap_one

__all__ = ["wait_by"]

STEP_S = 1e-6
STEPS = 100


def wait_by(now: Callable[[], float]) -> Callable[[], None]:
    """Have Queues wait by this clock; returns what takes that back."""
    return wrap_one(importlib.import_module("modal.queue"), "time", lambda time: _Time(now, time))


class _Time:
    """What `modal.queue` takes for the module `time`."""

    def __init__(self, now: Callable[[], float], module: Any) -> None:
        self._now = now
        self._module = module
        self._asked = 0

    def time(self) -> float:
        """
        Return the present instant.

        Each answer is later by a little than the one before though the clock may stand: the SDK
        goes on until the time is *past* its deadline, which may be now.
        """
        self._asked = self._asked % STEPS + 1
        return self._now() + self._asked * STEP_S

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

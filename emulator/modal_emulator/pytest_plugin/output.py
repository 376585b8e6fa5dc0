"""What containers print, shown where the running test's own prints go, and shown once."""

import sys
from types import ModuleType

from modal_emulator.schedule.logs import LogLine

__all__ = ["show"]

STDERR = 2


def show(line: LogLine) -> None:
    """
    Write a piece of output to `sys.stdout` or `sys.stderr` as they are at this moment.

    Under `modal.enable_output()` the SDK fetches and writes it itself.
    """
    if _sdk_writes(sys.modules.get("modal.output")):
        return
    stream = sys.stderr if line.descriptor == STDERR else sys.stdout
    stream.write(line.text)
    stream.flush()


def _sdk_writes(output: ModuleType | None) -> bool:
    manager = getattr(output, "OutputManager", None)
    if manager is None:  # before it was public ([sdk] 1.0.0 output.py)
        return bool(getattr(output, "OUTPUT_ENABLED", False))
    return bool(getattr(manager.get(), "is_enabled", False))

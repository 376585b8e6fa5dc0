"""
The emulator: one World behind its servers, started and stopped as one thing.

`Emulator` is for code on an event loop. `running` runs one on another thread and gives a
`Running`, whose methods may be called from any thread but that one: this is what the pytest plugin
uses.
"""

from modal_emulator.cron import preview
from modal_emulator.emulator.running import Running, present, running
from modal_emulator.emulator.server import MEMORY, TRANSPORTS, WIRE, Emulator
from modal_emulator.emulator.wishes import Wishes
from modal_emulator.world import Settings

__all__ = [
    "MEMORY",
    "TRANSPORTS",
    "WIRE",
    "Emulator",
    "Running",
    "Settings",
    "Wishes",
    "present",
    "preview",
    "running",
]

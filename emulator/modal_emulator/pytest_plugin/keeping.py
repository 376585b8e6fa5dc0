"""
What a test leaves for a person to look at: its volumes as plain directories, and who wrote them.

The directory belongs to the person from then on; nothing here removes it.
"""

import re
import tempfile
from pathlib import Path

from modal_emulator.emulator import Running
from modal_emulator.pytest_plugin.reports import describe, named_volumes

__all__ = ["Keeper"]

LONGEST = 120


class Keeper:
    """Writes what tests of one session leave, each into a directory of its own."""

    def __init__(self) -> None:
        # Not the name that emulators look for when they remove what others left.
        self._top = Path(tempfile.mkdtemp(prefix="modal-kept-"))
        self._count = 0

    def keep(self, running: Running, test: str) -> Path:
        """Write the newest version of each volume of the test's World; returns where."""
        running.settle()  # what containers commit on their way out belongs to it
        self._count += 1
        name = re.sub(r"[^\w.]+", "-", test)[-LONGEST:].strip("-")
        place = self._top / f"{self._count:04}-{name}"
        place.mkdir()
        text = running.ask(lambda world: describe(world, newest=None))
        (place / "versions.txt").write_text(f"{test}\n\n{text}\n", "utf-8")
        for environment, volume, _ in running.ask(named_volumes):
            local = running.volume(volume, environment=environment)
            directory = place / environment / volume
            directory.parent.mkdir(exist_ok=True)
            local.checkout(local.head.number, directory)
        return place

"""A sight for tests: remembers what it was told, and lets everything go on."""

import threading
from collections.abc import Callable
from pathlib import Path

from modal_emulator.ground.steps import Moment, Step
from modal_emulator.runtime.sight import Attention

__all__ = ["Witness"]


class Witness:
    """Sees what a container does with files; threads may tell it at once."""

    def __init__(self, attention: Attention = Attention.NOTE) -> None:
        self.attention = attention
        self.epoch = 0
        self.steps: list[Step] = []
        """Those that are over."""
        self.begun: list[Step] = []
        """Those that were held before they began."""
        self.errors: list[str] = []
        self.on_hold: Callable[[Step, Moment], object] = lambda step, moment: None
        self.page = Path()
        """Where a container in another process looks; the test writes it."""
        self._lock = threading.Lock()

    def note(self, step: Step, error: OSError | None) -> None:
        with self._lock:
            self.steps.append(step)
            if error is not None:
                self.errors.append(f"{step}: {error.strerror}")

    def hold(self, step: Step, moment: Moment, error: OSError | None = None) -> None:
        assert self.attention is Attention.HOLD
        if moment is Moment.BEFORE:
            self.begun.append(step)
        else:
            self.note(step, error)
        self.on_hold(step, moment)

    async def arrive(self, step: Step, moment: Moment, error: OSError | None) -> None:
        self.hold(step, moment, error)

    def source(self, read: Callable[[], None]) -> None:
        pass

    def told(self) -> list[str]:
        """Return the steps that are over, in words."""
        return [str(step).rstrip() for step in self.steps]

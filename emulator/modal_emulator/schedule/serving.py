"""
Which container serves an input, where somebody else than chance is to say so.

As a rule the container that has asked for the longest time gets the next input. Whoever wants to
try what comes of another one sets `choose`.
"""

from collections.abc import Callable, Sequence

from modal_emulator.schedule.worker import Worker
from modal_emulator.store.apps import Function

__all__ = ["Choose", "Serving"]

Choose = Callable[[Function, Sequence[Worker]], Worker | None]
"""Given those that ask for inputs, returns which of them is to have the next; None is a new one."""


class Serving:
    """Holds who chooses; nobody, as a rule."""

    def __init__(self) -> None:
        self.choose: Choose | None = None

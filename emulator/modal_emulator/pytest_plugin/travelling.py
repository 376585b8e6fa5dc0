"""The emulator follows time-machine."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from modal_emulator.ground.clockface import Creep
from modal_emulator.pytest_plugin.following import Stack, Timekeeper, stopping
from modal_emulator.runtime.replacing import wrap_one
from modal_emulator.sdk import MODULES

__all__ = ["follow_time_machine"]


@contextmanager
def follow_time_machine(keeper: Timekeeper) -> Iterator[None]:
    """Have the emulator go with every traveller, also with one that is on its way already."""
    library: Any = importlib.import_module("time_machine")
    stack = Stack(keeper)
    undo = [
        wrap_one(library.travel, "start", lambda original: _start(stack, original)),
        wrap_one(library.travel, "stop", lambda original: stopping(stack, original)),
        wrap_one(library.Traveller, "time_ns", lambda original: _time_ns(stack, original)),
        wrap_one(library.Traveller, "move_to", lambda original: _move(stack, original)),
        wrap_one(library.Traveller, "shift", lambda original: _move(stack, original)),
    ]
    try:
        travellers = [each for each in library.traveller_stack if type(each) is library.Traveller]
        if travellers:
            traveller = travellers[-1]
            rate = 1.0 if traveller._tick else 0.0
            stack.enter(traveller.time_ns() / 1e9, rate, lambda: traveller)
        yield
    finally:
        for each in undo:
            each()


def _start(stack: Stack, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def start(self: Any) -> Any:
        rate = 1.0 if self.tick else 0.0
        return stack.enter(self.destination_timestamp_ns / 1e9, rate, lambda: original(self))

    return start


def _time_ns(stack: Stack, original: Callable[..., Any]) -> Callable[..., Any]:
    creep = Creep(MODULES)

    @wraps(original)
    def time_ns(self: Any) -> int:
        if not stack.is_followed(self):
            return int(original(self))
        return creep(round(stack.keeper.now() * 1e6)) * 1000

    return time_ns


def _move(stack: Stack, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def move(self: Any, *arguments: Any, **named: Any) -> Any:
        if not stack.is_followed(self):
            return original(self, *arguments, **named)

        def find() -> float:
            # Both start from, and leave, the instant at which it was begun or moved to last.
            self._destination_timestamp_ns = round(stack.keeper.now() * 1e9)
            original(self, *arguments, **named)
            return float(self._destination_timestamp_ns / 1e9)

        stack.move(self, find, lambda: 1.0 if self._tick else 0.0)
        return None

    return move

"""
The emulator follows freezegun.

freezegun freezes `time.monotonic` too, by which event loops and locks wait: with an SDK at work in
the process nothing would ever come back, so while an emulator runs that clock stays the machine's.
The SDK is left out of what is frozen: it sees the emulator's clock, which says the same but creeps.
"""

import datetime
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from modal_emulator.pytest_plugin.following import Stack, Timekeeper, stopping
from modal_emulator.runtime.replacing import wrap_one
from modal_emulator.sdk import MODULES

__all__ = ["follow_freezegun", "loops_run_on"]

_EPOCH = datetime.datetime(1970, 1, 1)  # freezegun's own are naive, and mean UTC
_MONOTONIC = ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")


@contextmanager
def loops_run_on() -> Iterator[None]:
    """Leave `time.monotonic` and `time.perf_counter` to the machine, whoever freezes the rest."""
    api = _freezegun()
    if api is None:
        yield
        return
    fakes = {name: getattr(api, f"fake_{name}") for name in _MONOTONIC}
    for name in _MONOTONIC:
        setattr(api, f"fake_{name}", getattr(api, f"real_{name}"))
    if api.freeze_factories:  # somebody was quicker
        _thaw({id(fake): getattr(api, f"real_{name}") for name, fake in fakes.items()})
    try:
        yield
    finally:
        for name, fake in fakes.items():
            setattr(api, f"fake_{name}", fake)


@contextmanager
def follow_freezegun(keeper: Timekeeper) -> Iterator[None]:
    """Have the emulator go with every freezer, also with one that is at work already."""
    api = _freezegun()
    if api is None:
        yield
        return
    stack, thread = Stack(keeper), threading.get_ident()
    undo = [
        wrap_one(api._freeze_time, "start", lambda original: _start(stack, original)),
        wrap_one(api._freeze_time, "stop", lambda original: stopping(stack, original)),
    ]
    for kind in (api.FrozenDateTimeFactory, api.TickingDateTimeFactory, api.StepTickTimeFactory):
        only = thread if kind is api.StepTickTimeFactory else None
        undo.append(wrap_one(kind, "__call__", lambda original: _show(stack, original)))
        for name in ("tick", "move_to"):
            undo.append(wrap_one(kind, name, partial(_move, stack, only)))
    try:
        if api.freeze_factories:
            _adopt(api, stack)
        yield
    finally:
        for each in undo:
            each()


def _freezegun() -> Any:
    if importlib.util.find_spec("freezegun") is None:
        return None
    return importlib.import_module("freezegun.api")


def _adopt(api: Any, stack: Stack) -> None:
    factory = api.freeze_factories[-1]
    api.ignore_lists[-1] = (*api.ignore_lists[-1], *MODULES)
    ticks = isinstance(factory, api.TickingDateTimeFactory)
    at = factory() if ticks else factory.time_to_freeze
    stack.enter(_instant(at), 1.0 if ticks else 0.0, lambda: factory)
    _put(factory, at)


def _start(stack: Stack, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def start(self: Any) -> Any:
        self.ignore = tuple(dict.fromkeys((*self.ignore, *MODULES)))
        rate = 1.0 if self.tick and not self.auto_tick_seconds else 0.0
        return stack.enter(_instant(self.time_to_freeze), rate, lambda: original(self))

    return start


def _show(stack: Stack, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def show(self: Any) -> Any:
        if stack.is_followed(self):
            _put(self, _moment(stack.keeper.now()))
        return original(self)

    return show


def _move(stack: Stack, only: int | None, original: Callable[..., Any]) -> Callable[..., Any]:
    """Travel to where this goes; with `only` from that thread alone, and nowhere from others."""

    @wraps(original)
    def move(self: Any, *arguments: Any, **named: Any) -> Any:
        if not stack.is_followed(self):
            return original(self, *arguments, **named)
        if only is not None and threading.get_ident() != only:
            return self.time_to_freeze  # a look at the time by code that is not the test's
        result = None

        def find() -> float:
            nonlocal result
            here = _moment(stack.keeper.now())
            _put(self, here)
            result = original(self, *arguments, **named)
            target = self.time_to_freeze
            _put(self, here)
            return _instant(target)

        if not stack.move(self, find):
            return original(self, *arguments, **named)  # one step of a move that is on its way
        _put(self, _moment(stack.keeper.now()))
        return result

    return move


def _put(factory: Any, at: datetime.datetime) -> None:
    factory.time_to_freeze = at
    if hasattr(factory, "start"):
        factory.start = sys.modules["freezegun.api"].real_datetime.now()


def _instant(at: datetime.datetime) -> float:
    return (at - _EPOCH) / datetime.timedelta(seconds=1)


def _moment(at: float) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=round(at * 1e6))


def _thaw(reals: dict[int, Any]) -> None:
    """Put the machine's functions where frozen ones were put already."""
    for module in tuple(sys.modules.values()):
        for name, value in tuple(getattr(module, "__dict__", {}).items()):
            if id(value) in reals:
                setattr(module, name, reals[id(value)])

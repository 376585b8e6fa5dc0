"""
Showing another instant than the machine's to all Python code of this process.

`datetime.now`, `date.today`, `time.time` and their like are changed where they are made, in C, by
time-machine: whoever imported them long ago sees it too, values stay ordinary ones, and it costs
some microseconds to begin and nothing to move. `time.monotonic` and `time.perf_counter`, by which
event loops and locks wait, stay the machine's.

Some code asks until a deadline is *past*, which it never is while the clock stands. For such code,
known by how its modules' names begin, each look is a microsecond later than the one before.

A test's own time-machine lies over ours: only the topmost traveller of its stack is asked.
"""

import datetime
import importlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from modal_emulator.ground.clock import put_machine_clocks

__all__ = ["Creep", "Instant", "show"]

Instant = Callable[[], float | None]
"""Returns the instant to show, seconds since 1970; None for the machine's own. From any thread."""

_THROUGH = 4  # frames of freezegun between who asks and us

# What time-machine changes in place, and what freezegun puts other things in place of.
_CHANGED = (
    (datetime, ("datetime", "date")),
    (time, ("time", "time_ns", "localtime", "gmtime", "strftime")),
)


class Creep:
    """Lets an instant creep on for code that would wait for ever."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._modules = modules
        self._base = self._steps = 0

    def __call__(self, microseconds: int) -> int:
        """Return the instant as the caller's caller is to see it."""
        if not self._is_asking():
            return microseconds
        if microseconds != self._base:
            self._base, self._steps = microseconds, 0
        self._steps += 1
        return microseconds + self._steps

    def _is_asking(self) -> bool:
        frame = sys._getframe(3)
        for _ in range(_THROUGH):
            name = frame.f_globals.get("__name__", "")
            if name.startswith(self._modules):
                return True
            # A test's freezegun that is told to leave this code alone passes the question on.
            if not name.startswith("freezegun.") or frame.f_back is None:
                return False
            frame = frame.f_back
        return False


def show(instant: Instant, creeping: tuple[str, ...] = ()) -> Callable[[], None]:
    """Show this instant from now on, creeping to these modules; returns what ends it."""
    library, native = _time_machine()
    gettime = _original(native.original_clock_gettime, time.clock_gettime)
    gettime_ns = _original(native.original_clock_gettime_ns, time.clock_gettime_ns)
    put_machine_clocks(partial(gettime, time.CLOCK_REALTIME), gettime_ns)
    stack: list[Any] = library.traveller_stack
    shown = _traveller(library, native, instant, Creep(creeping))
    # Before the first patch and after the last one somebody must be there to be asked: other
    # threads ask at any moment.
    stack.insert(0, shown)
    if len(stack) == 1:
        _patch(library, native)

    def end() -> None:
        if stack == [shown]:
            _unpatch(library, native)
        stack.remove(shown)

    return end


def _original(original: Callable[..., Any], ordinary: Callable[..., Any]) -> Callable[..., Any]:
    """Return what asks the machine whether time-machine is at work or not, ours or another."""

    def ask(*arguments: Any) -> Any:
        try:
            return original(*arguments)
        except ValueError:  # nobody travels
            return ordinary(*arguments)

    return ask


def _traveller(library: Any, native: Any, instant: Instant, creep: Creep) -> Any:
    class Shown(library.Traveller):  # type: ignore[misc]
        def time_ns(self) -> int:
            at = instant()
            if at is None:
                return int(native.original_time_ns())
            # A float knows microseconds only; they shall come out as they were put in.
            return creep(round(at * 1e6)) * 1000

    return Shown(0, None, False)


def _patch(library: Any, native: Any) -> None:
    with _unfrozen():
        native.patch()
    # As its own `travel` does: UUIDs of version 1 then carry the instant that is shown.
    for kept, name in _UUIDS:
        setattr(library, kept, getattr(uuid, name, None))
        setattr(uuid, name, None)


def _unpatch(library: Any, native: Any) -> None:
    with _unfrozen():
        native.unpatch()
    for kept, name in _UUIDS:
        setattr(uuid, name, getattr(library, kept))
        setattr(library, kept, None)


_UUIDS = (
    ("original_uuid_generate_time_safe", "_generate_time_safe"),
    ("original_uuid_uuid_create", "_UuidCreate"),
)


def _time_machine() -> tuple[Any, Any]:
    """Import it, but not all of pytest with it: it has a plugin for that."""
    absent = "pytest" not in sys.modules
    if absent:
        sys.modules["pytest"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("time_machine"), importlib.import_module("_time_machine")
    finally:
        if absent:
            del sys.modules["pytest"]


@contextmanager
def _unfrozen() -> Iterator[None]:
    """Have Python's own functions where freezegun, if it is at work, has put others."""
    freezegun: Any = sys.modules.get("freezegun.api")
    if freezegun is None or not freezegun.freeze_factories:
        yield
        return
    fakes = [(m, name, getattr(m, name)) for m, names in _CHANGED for name in names]
    for module, name, _ in fakes:
        setattr(module, name, getattr(freezegun, f"real_{name}"))
    try:
        yield
    finally:
        for module, name, fake in fakes:
            setattr(module, name, fake)

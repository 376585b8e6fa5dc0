"""
Runs that nobody asked for by a call: what a schedule started, and what came of it.

A firing is an ordinary call with one input and no arguments, so retries, timeouts, queues and
overlap are those of every call (modal-semantics 3). The journal has an event when it is fired and
one when it is finished; the history keeps the newest.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Protocol

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.calls import Calls, Input, State
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.store.apps import Function

__all__ = ["Cause", "Firing", "Firings", "Messages"]


class Cause(Enum):
    """Why a scheduled function ran."""

    DUE = "due"
    MISSED = "missed"  # it was due while nobody was there to fire it
    BY_HAND = "by hand"


class Messages(Protocol):
    """Makes and reads what passes through here without being understood."""

    def no_arguments(self) -> tuple[int, bytes]:
        """Return how a function is called without arguments: a way of calling and an input."""
        ...

    def words(self, result: bytes) -> str:
        """Return what a serialised GenericResult says went wrong, or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Firing:
    """One run of a scheduled function as it stands; instants in seconds since 1970, 0 is never."""

    app: str
    """The app's name, or its description while it is not deployed."""
    function: str
    function_id: str
    cause: Cause
    due: float
    """When it was to run, by its schedule; when it was asked for, if it ran by hand."""
    fired_at: float
    """When its input was queued."""
    call_id: str
    status: str
    """`queued`, `running` or `waiting` (for its next attempt), then `success`, `failure`,
    `timeout`, `terminated`, `init_failure` or `internal_failure`."""
    started_at: float = 0.0
    """When a container took its input, for the last attempt."""
    finished_at: float = 0.0
    container_id: str = ""
    attempts: int = 0
    error: str = ""
    """What the container or the server said went wrong."""


@dataclass(slots=True)
class _Fired:
    app: str
    function: Function
    cause: Cause
    due: float
    fired_at: float
    input: Input
    error: str = ""
    status: str = ""
    """Empty until it is over; results are not kept for ever, and this is."""


class Firings:
    """Makes the calls and remembers them."""

    def __init__(
        self,
        calls: Calls,
        dispatcher: Dispatcher,
        messages: Messages,
        clock: Clock,
        journal: Journal,
        bound: int = 100_000,
    ) -> None:
        self._calls = calls
        self._dispatcher = dispatcher
        self._messages = messages
        self._clock = clock
        self._journal = journal
        self._fired: deque[_Fired] = deque(maxlen=bound)
        self._counts: dict[str, int] = {}
        self._newest: dict[str, _Fired] = {}

    def fire(self, app: str, function: Function, due: float, cause: Cause) -> Firing:
        """Call the function with no arguments."""
        invocation, payload = self._messages.no_arguments()
        call = self._calls.open(function.function_id, invocation)
        self._journal.add(
            "schedule.fired",
            app=app,
            function=function.tag,
            due=due,
            cause=cause.value,
            call_id=call.call_id,
        )
        fired_at = self._clock.now()
        by = "" if cause is Cause.BY_HAND else None
        new = self._dispatcher.submit(call, 0, payload, by)
        fired = _Fired(app, function, cause, due, fired_at, new)
        call.when_finished = lambda done: self._finished(fired, done)
        self._fired.append(fired)
        self._newest[function.function_id] = fired
        self._counts[function.function_id] = self._counts.get(function.function_id, 0) + 1
        return self._view(fired)

    def history(self, newest: int | None = None) -> tuple[Firing, ...]:
        """Return the firings, or so many of the newest, oldest first, each as it stands now."""
        count = len(self._fired) if newest is None else newest
        return tuple(map(self._view, islice(reversed(self._fired), count)))[::-1]

    def last(self, function_id: str) -> Firing | None:
        """Return the newest firing of a function."""
        fired = self._newest.get(function_id)
        return None if fired is None else self._view(fired)

    def count(self, function_id: str) -> int:
        """Return how often a function was fired."""
        return self._counts.get(function_id, 0)

    def _finished(self, fired: _Fired, done: Input) -> None:
        assert done.outcome is not None  # it is told of finished inputs only
        fired.status = done.outcome.status.name.lower()
        fired.error = self._messages.words(done.outcome.result)
        self._journal.add(
            "schedule.finished",
            app=fired.app,
            function=fired.function.tag,
            due=fired.due,
            call_id=done.call_id,
            container_id=done.container_id,
            started_at=done.taken_at,
            attempts=_attempts(done),
            status=fired.status,
        )

    def _view(self, fired: _Fired) -> Firing:
        done = fired.input
        return Firing(
            app=fired.app,
            function=fired.function.tag,
            function_id=fired.function.function_id,
            cause=fired.cause,
            due=fired.due,
            fired_at=fired.fired_at,
            call_id=done.call_id,
            status=fired.status or done.state.value,
            started_at=done.taken_at,
            finished_at=done.finished_at,
            container_id=done.container_id,
            attempts=_attempts(done),
            error=fired.error,
        )


def _attempts(done: Input) -> int:
    """Return how often a container has taken the input."""
    waits = done.state in (State.QUEUED, State.WAITING)
    return done.attempt + (0 if waits or not done.container_id else 1)

"""
Function calls: inputs on their way in, outcomes on their way out.

An input is queued, taken by a container, and finished once; the table `NEXT` is all there is to
its life. Payloads and results are opaque bytes here: what they mean is agreed between the SDK on
both ends. Who takes an input is decided in `pool`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import takewhile

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Conflict, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.schedule.load import Load
from modal_emulator.schedule.passage import Passage
from modal_emulator.schedule.pulse import Pulse

__all__ = ["RETENTION", "Calls", "FunctionCall", "Input", "Outcome", "State", "Status"]

RETENTION = 7 * 86_400.0
"""Seconds for which results are kept after a call (modal-semantics 5 [doc])."""


SPAWNED = frozenset({2, 3})
"""Ways of calling after which nobody waits; the numbers are Modal's FunctionCallInvocationType."""


class State(Enum):
    """Where an input is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # for its next attempt
    FINISHED = "finished"


class Event(Enum):
    """What can happen to an input."""

    TAKEN = "taken"
    LOST = "lost"  # its container died; another attempt is due
    RESTARTED = "restarted"  # its container was interrupted; no attempt is counted
    DUE = "due"
    DONE = "done"


NEXT: dict[tuple[State, Event], State] = {
    (State.QUEUED, Event.TAKEN): State.RUNNING,
    (State.QUEUED, Event.DONE): State.FINISHED,  # cancelled, or its function cannot start
    (State.RUNNING, Event.DONE): State.FINISHED,
    (State.RUNNING, Event.LOST): State.WAITING,
    (State.RUNNING, Event.RESTARTED): State.QUEUED,
    (State.WAITING, Event.DUE): State.QUEUED,
    (State.WAITING, Event.DONE): State.FINISHED,
}


class Status(Enum):
    """How an attempt ended; the numbers are those of Modal's GenericStatus."""

    SUCCESS = 1
    FAILURE = 2
    TERMINATED = 3
    TIMEOUT = 4
    INIT_FAILURE = 5
    INTERNAL_FAILURE = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt gave back."""

    status: Status
    result: bytes
    """A serialised GenericResult."""
    data_format: int = 0
    container_id: str = ""
    started_at: float = 0.0
    created_at: float = 0.0


@dataclass(slots=True)
class Input:
    """One set of arguments of a call."""

    input_id: str
    call_id: str
    function_id: str
    index: int
    payload: bytes
    """A serialised FunctionInput."""
    queued_at: float = 0.0
    kind: tuple[str, bool] = ("", False)
    """As `load` counts it."""
    state: State = State.QUEUED
    attempt: int = 0
    container_id: str = ""
    only: str = ""
    """The one container that may take it, if somebody has said so."""
    taken_at: float = 0.0
    finished_at: float = 0.0
    entry: int = 0
    outcome: Outcome | None = None

    def step(self, event: Event) -> None:
        """Move on in the table, or refuse."""
        following = NEXT.get((self.state, event))
        if following is None:
            raise Conflict(f"input {self.input_id} is {self.state.value}, not to be {event.value}")
        self.state = following


@dataclass(slots=True)
class FunctionCall:
    """A call of a function, with one input or many."""

    call_id: str
    function_id: str
    invocation: int
    created_at: float
    parent_input_id: str = ""
    inputs: list[Input] = field(default_factory=list)
    finished: list[Input] = field(default_factory=list)
    """Those that have an outcome, in the order in which they got it."""
    produced: list[bytes] = field(default_factory=list)
    """What a generator gave so far, as serialised DataChunks in order."""
    given: list[bytes] = field(default_factory=list)
    """What it is given while it runs, such as the body of a request, in the same form."""
    pulse: Pulse = field(default_factory=Pulse)
    cancelled: bool = False
    askers: int = 0
    """How many wait for what comes of it."""
    asked_at: float = 0.0
    """When somebody waited last, by the machine's seconds."""
    unfinished: int = 0
    """How many inputs have no outcome yet."""
    finished_at: float = 0.0
    """When the last of the inputs got its outcome."""
    expired: bool = False
    """What it was given and what came of it is gone."""
    passage: Passage | None = None
    """Of a call whose opener takes what comes of it at once, and lets go of it: see `release`."""

    @property
    def is_spawned(self) -> bool:
        """Say whether its caller does not wait for it."""
        return self.invocation in SPAWNED

    def is_at_work(self) -> bool:
        """Say whether an input has no outcome yet."""
        return self.unfinished > 0

    when_finished: Callable[[Input], None] | None = None
    """Is told of each input that has its outcome."""


class Calls:
    """Keeps the calls and tells who waits for them."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._calls: dict[str, FunctionCall] = {}
        self._inputs: dict[str, Input] = {}
        self._below: dict[str, list[FunctionCall]] = {}
        self._finished: deque[FunctionCall] = deque()
        self._attended: dict[str, FunctionCall] = {}
        self.load = Load()
        self._entry = 0

    def open_passing(self, function_id: str, invocation: int) -> FunctionCall:
        """Begin a call that nobody can ask for later; whoever opens it has to `release` it."""
        call = self.open(function_id, invocation)
        call.passage = Passage(call.pulse, call.is_at_work)
        call.given, call.produced = call.passage.given, call.passage.produced
        return call

    def release(self, call: FunctionCall) -> None:
        """Let go of a passing call, now or once it has its outcome."""
        assert call.passage is not None
        call.passage.end()
        if not call.is_at_work():
            self._drop(call)

    def open(self, function_id: str, invocation: int, parent_input_id: str = "") -> FunctionCall:
        """Begin a call without inputs."""
        now = self._clock.now()
        call = FunctionCall(
            self._ids.ordered("fc", now), function_id, invocation, now, parent_input_id
        )
        self._calls[call.call_id] = call
        if parent_input_id in self._inputs:
            self._below.setdefault(parent_input_id, []).append(call)
        self._expire()
        return call

    def call(self, call_id: str) -> FunctionCall:
        """
        Return the call.

        Raises:
            NotFound: with the text seen on Modal (modal-semantics 8.1 [observed]).
        """
        self._expire()
        call = self._calls.get(call_id)
        if call is None:
            raise NotFound(f"No Function Call with ID '{call_id}' found.")
        return call

    def input(self, input_id: str) -> Input:
        """Return the input, or say that there is none."""
        found = self._inputs.get(input_id)
        if found is None:
            raise NotFound(f"No Input with ID '{input_id}' found.")
        return found

    def of_function(self, function_id: str) -> tuple[FunctionCall, ...]:
        """Return the calls of a function, newest first."""
        return tuple(c for c in reversed(self._calls.values()) if c.function_id == function_id)

    def graph(self, call: FunctionCall) -> Iterator[FunctionCall]:
        """Yield the calls that go back to the same first one, each after the one that made it."""
        while call.parent_input_id in self._inputs:
            call = self._calls[self._inputs[call.parent_input_id].call_id]
        due = deque([call])
        while due:
            yield (call := due.popleft())
            for made_by in call.inputs:
                due.extend(self._below.get(made_by.input_id, ()))

    def add_input(self, call: FunctionCall, index: int, payload: bytes) -> Input:
        """Add a set of arguments to a call."""
        now = self._clock.now()
        input_id = f"{self._ids.ordered('in', now)}:{index}"
        kind = (call.function_id, call.is_spawned)
        new = Input(input_id, call.call_id, call.function_id, index, payload, now, kind)
        call.inputs.append(new)
        call.unfinished += 1
        self.load.came(new.kind)
        self._inputs[input_id] = new
        return new

    def take(self, taken: Input, container_id: str) -> None:
        """A container begins an attempt."""
        taken.step(Event.TAKEN)
        self.load.waits(taken.kind, -1)
        taken.container_id = container_id
        taken.taken_at = self._clock.now()

    def lose(self, lost: Input) -> None:
        """The attempt came to nothing and another one is due."""
        lost.step(Event.LOST)
        lost.attempt += 1

    def restart(self, interrupted: Input) -> None:
        """The same attempt begins again, in another container."""
        interrupted.step(Event.RESTARTED)
        self.load.waits(interrupted.kind, +1)

    def requeue(self, waiting: Input) -> None:
        """The time of the next attempt has come."""
        waiting.step(Event.DUE)
        self.load.waits(waiting.kind, +1)

    def finish(self, done: Input, outcome: Outcome) -> None:
        """Keep the outcome and wake who waits for it."""
        if done.state is State.QUEUED:
            self.load.waits(done.kind, -1)
        self.load.went(done.kind)
        done.step(Event.DONE)
        self._entry += 1
        done.entry = self._entry
        done.outcome = outcome
        done.finished_at = self._clock.now()
        call = self._calls[done.call_id]
        call.unfinished -= 1
        call.finished.append(done)
        if not call.unfinished:
            call.finished_at = done.finished_at
            call.given = []  # nobody begins it once more
            if call.passage is None:
                self._finished.append(call)
            elif call.passage.released:
                self._drop(call)
        call.pulse.beat()
        if call.when_finished is not None:
            call.when_finished(done)

    def produce(self, call: FunctionCall, chunks: list[bytes]) -> None:
        """A generator gave more."""
        (call.passage.produce if call.passage else call.produced.extend)(chunks)
        call.pulse.beat()

    def give(self, call: FunctionCall, chunks: list[bytes]) -> None:
        """Give a call more while it runs; one that has its outcome needs no more."""
        if call.inputs and not call.unfinished:
            return
        (call.passage.give if call.passage else call.given.extend)(chunks)
        call.pulse.beat()

    def outcomes(
        self, call: FunctionCall, after: int, first: int | None, last: int | None
    ) -> list[Input]:
        """Return the finished inputs after this entry, within these indexes, in order of entry."""
        # From the end: who asks again and again wants the few that came last.
        fresh = takewhile(lambda i: i.entry > after, reversed(call.finished))
        found = [
            i
            for i in fresh
            if (first is None or i.index >= first) and (last is None or i.index <= last)
        ]
        return found[::-1]

    def _drop(self, call: FunctionCall) -> None:
        """Forget a call, but for one that was ended under a container: that may ask for it yet."""
        ended = [(i.container_id, i.outcome.container_id) for i in call.inputs if i.outcome]
        if any(holder not in ("", teller) for holder, teller in ended):
            self._finished.append(call)
            return
        self._calls.pop(call.call_id, None)
        for done in call.inputs:
            self._inputs.pop(done.input_id, None)

    def attend(self, call: FunctionCall) -> None:
        """Look from now on whether the caller is there, unless it spawned the call."""
        if not call.is_spawned:
            call.asked_at = self._clock.lived()
            self._attended[call.call_id] = call

    @contextmanager
    def asking(self, call: FunctionCall) -> Iterator[None]:
        """For the length of the block somebody waits for what comes of a call."""
        call.askers += 1
        try:
            yield
        finally:
            call.askers -= 1
            call.asked_at = self._clock.lived()

    def deserted(self, grace: float) -> list[FunctionCall]:
        """Return the calls at work whose caller has not asked for so many machine's seconds."""
        now, found = self._clock.lived(), []
        for call in tuple(self._attended.values()):
            if not call.unfinished:
                del self._attended[call.call_id]  # with further inputs it comes again
            elif not call.askers and now - call.asked_at > grace:
                found.append(call)
        return found

    def _expire(self) -> None:
        """Let go of what finished calls were given and gave; that there was a call stays known."""
        ends = self._clock.now() - RETENTION
        while self._finished and self._finished[0].finished_at <= ends:
            call = self._finished.popleft()
            if call.unfinished or call.finished_at > ends:
                continue  # inputs were added since; it comes again
            for done in call.inputs:
                self._inputs.pop(done.input_id, None)
                self._below.pop(done.input_id, None)
            call.inputs, call.finished, call.produced, call.given = [], [], [], []
            call.expired = True

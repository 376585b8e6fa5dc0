"""
A request as a call of its web function.

The scope of ASGI is the call's input; what the client sends goes in as messages, what the app
answers comes out. Here is when they are waited for, by the emulator's clock; what they mean for a
connection is known to `edge_http` and `edge_socket`.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from modal_emulator.findings.leaks import Trail
from modal_emulator.findings.unpacking import Unpacked, packing
from modal_emulator.schedule.calls import Outcome, State, Status
from modal_emulator.schedule.leaks import Place
from modal_emulator.web.edge_errors import TERMINATED, TIMED_OUT, internal
from modal_emulator.world import World

__all__ = ["Late", "Message", "Messages", "WebCall"]

_MOST_UNPACKED = 16 << 20
"""Bytes of what an answer holds compressed that are looked through for secrets."""
_STREAMS = ("gzip", "zlib")

Message = Mapping[str, Any]
"""As ASGI has them: what each holds follows from its type."""


class Messages(Protocol):
    """Makes what containers read of messages, and reads what they make of theirs."""

    invocation: int

    def variant(self, world: World, function_id: str, query: str) -> str:
        """
        Return the variant of a class that a query asks for; without parameters, the class's.

        Raises:
            Invalid: a value does not fit its parameter.
        """
        ...

    def payload(self, scope: Message, method: str) -> bytes:
        """Return the input that begins with this scope."""
        ...

    def given(self, message: Message, index: int) -> bytes:
        """Return a message to the app as the chunk with this number, from 1 on."""
        ...

    def produced(self, chunk: bytes) -> tuple[Message, str]:
        """Return the app's message in a chunk, or the id of the blob that holds it."""
        ...

    def read(self, data: bytes) -> Message:
        """Return the app's message in these bytes; one that is not known is empty."""
        ...

    def was_killed(self, result: bytes) -> bool:
        """Say whether a result tells of a container that was ended by a signal."""
        ...


# What Modal says of these is not known [guess].
_WHY = {
    Status.INIT_FAILURE: "function failed to start",
    Status.TERMINATED: "function call was cancelled",
}


class Late(Exception):
    """The time for an answer to begin is over; the call goes on."""


class WebCall:
    """One request."""

    def __init__(
        self, world: World, messages: Messages, function_id: str, method: str, scope: Message
    ) -> None:
        self._world = world
        self._messages = messages
        self._payload = messages.payload(scope, method)
        self._call = world.calls.open_passing(function_id, messages.invocation)
        assert self._call.passage is not None
        self._passage = self._call.passage
        self._given = self._taken = 0
        self.belongs_to = function_id
        self._path = str(scope.get("path", ""))
        self._trails = {"header": Trail(), "body": Trail()}
        self._within: tuple[Trail, Unpacked] | None = None
        """What the body holds compressed, once it has begun."""

    @property
    def call_id(self) -> str:
        """The id of the function call."""
        return self._call.call_id

    def begin(self, first: Message) -> None:
        """Queue it with its first message, which an app waits for no longer than some seconds."""
        self.tell(first)
        self._world.dispatcher.submit(self._call, 0, self._payload, "")
        self._payload = b""

    def tell(self, message: Message) -> None:
        """Give the app a message."""
        self._given += 1
        chunk = self._messages.given(message, self._given)
        self._world.calls.give(self._call, [chunk])

    async def attention(self) -> None:
        """Wait until the app has taken what it was given, but for a little."""
        await self._passage.attention()

    async def next(self, until: float | None = None, *, idle: bool = False) -> Message | None:
        """
        Return the app's next message, or None when there will be none.

        A client that waits lets a clock that stands go on; one that is `idle` may never hear more.

        Raises:
            Late: it has not come until this instant.
        """
        call, world = self._call, self._world
        while True:
            chunk = self._passage.take(self._taken)
            if chunk is not None:
                self._taken += 1
                return await self._read(chunk)
            if call.inputs and not call.is_at_work():
                return None
            left = None if until is None else until - world.clock.now()
            if left is not None and left <= 0:
                raise Late
            with world.settling.waits(None, lambda: call.is_at_work() and not idle):
                await call.pulse.wait(left, world.clock)

    @property
    def has_begun(self) -> bool:
        """Whether a part of the answer was taken."""
        return self._taken > 0

    def leave(self, farewell: Message) -> None:
        """The client is gone: tell the app, or nobody if none has begun."""
        for waiting in self._call.inputs:
            if waiting.state is State.QUEUED:
                outcome = Outcome(Status.TERMINATED, b"", created_at=self._world.clock.now())
                self._world.dispatcher.cancel(self._call, outcome)
        self.tell(farewell)
        self.end()

    def end(self) -> None:
        """Nobody wants more of it."""
        self._world.calls.release(self._call)

    @property
    def succeeded(self) -> bool:
        """Whether the app came to its end without an error."""
        outcome = self._call.inputs[0].outcome
        return outcome is not None and outcome.status is Status.SUCCESS

    def failure(self) -> str:
        """Say why there was no answer, in the edge's words."""
        outcome = self._call.inputs[0].outcome if self._call.inputs else None
        if outcome is None:
            return internal("no answer")
        if outcome.status is Status.TIMEOUT:
            return TIMED_OUT
        if self._messages.was_killed(outcome.result):
            return TERMINATED
        return internal(_WHY.get(outcome.status, "function failed before it answered"))

    async def _read(self, chunk: bytes) -> Message:
        message, blob_id = self._messages.produced(chunk)
        if blob_id:
            path = self._world.blobs.path(blob_id)
            message = self._messages.read(await asyncio.to_thread(path.read_bytes))
        if self._world.leaks.needles:
            self._look(message)
        return message

    def _look(self, message: Message) -> None:
        """Look for secrets in what the app answers."""
        headers = b"\n".join(b": ".join(pair) for pair in message.get("headers", ()))
        body = message.get("body") or message.get("bytes") or message.get("text") or b""
        body = body.encode(errors="surrogatepass") if isinstance(body, str) else bytes(body)
        for part, data in (("header", headers), ("body", body)):
            if data:
                self._world.leaks.follow(self._trails[part], data, partial(self._place, part))
        if body:
            self._look_within(body)

    def _look_within(self, body: bytes) -> None:
        """Look for them in what is compressed from the first byte on, whatever a header says."""
        if self._within is None:
            kind = packing(body)
            self._within = Trail(kind), Unpacked(_MOST_UNPACKED if kind in _STREAMS else 0)
        trail, unpacked = self._within
        for piece in unpacked.feed(body):
            self._world.leaks.follow(trail, piece, partial(self._place, "body"))

    def _place(self, part: str) -> Place:
        function = self._world.apps.past(self.belongs_to).tag.removesuffix(".*")
        container_id = self._call.inputs[0].container_id if self._call.inputs else ""
        where = f"in {'a header' if part == 'header' else 'the body'} of an answer of {function}"
        return Place(where, container_id, notes=(f"to a request for {self._path}",))

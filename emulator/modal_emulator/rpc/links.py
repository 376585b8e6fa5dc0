"""
A connection of grpclib's without a wire: what one side sends, the other one has.

grpclib's client and server, its events, deadlines and statuses stay what they are; a `Link` stands
where the client has its HTTP/2 connection, and an `End` where either side has an HTTP/2 stream.
The two sides may be on different event loops. What a request is and what answers it is not known
here.

The parts of grpclib that are stood in for (`Channel._create_connection`'s result and
`protocol.Stream`) are not public; they are the same from 0.4.7 to 0.4.9, all that SDKs have asked
for.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any, NamedTuple, Protocol

from grpclib import Status
from grpclib.exceptions import StreamTerminatedError
from grpclib.protocol import Buffer
from grpclib.utils import Wrapper
from h2.exceptions import StreamClosedError

__all__ = ["LOST", "Answer", "Answers", "End", "Headers", "Link"]

LOST = "Connection lost"  # grpclib's word for whatever ends a connection
Headers = list[tuple[str, str]]
WINDOW = 4 << 20  # bytes that a side may send before the other one has read some


class Answers(Protocol):
    """What stands at the other end of a link."""

    @property
    def home(self) -> asyncio.AbstractEventLoop:
        """The loop on which calls are answered."""
        ...

    def who(self) -> Any:
        """Say who calls, from the context of the call."""
        ...

    async def admit(self) -> None:
        """Return if who calls may begin a stream."""
        ...

    def began(self, end: "End", cut: Callable[[], object]) -> Callable[[], object]:
        """Hear of a stream, and what cuts it from any thread; returns what says that it is over."""
        ...

    def answer(self, end: "End", headers: Headers, who: Any) -> Coroutine[Any, Any, None]:
        """Answer a call on the server's end of its stream."""
        ...

    async def answer_one(
        self, link: "Link", path: str, metadata: dict[str, str], request: bytes
    ) -> "Answer":
        """Answer a call of one message and one reply, on the link's loop."""
        ...


class Answer(NamedTuple):
    """What comes back for one message."""

    status: Status
    message: str | None = None
    reply: bytes | None = None
    details: Any = None


class Link:
    """One channel's connection: grpclib's protocol, handler, processor and connection in one."""

    messages_sent = 0
    messages_received = 0
    last_message_sent: float | None = None
    last_message_received: float | None = None

    def __init__(self, server: Answers, forget: Callable[["Link"], None]) -> None:
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.connection_lost = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.waiting: set[Wrapper] = set()
        self._forget = forget
        self._ends: set[End] = set()

    @property
    def handler(self) -> "Link":
        """What says whether the connection is lost."""
        return self

    @property
    def processor(self) -> "Link":
        """What can be closed."""
        return self

    @property
    def connection(self) -> "Link":
        """What makes streams."""
        return self

    def create_stream(self, *, wrapper: Wrapper) -> "End":
        """Return the client's end of a new stream."""
        return End(self, self.loop, wrapper)

    def get_peer(self) -> "Link":
        """Return what tells the other side's address."""
        return self

    def addr(self) -> None:
        """There is none."""

    def cert(self) -> None:
        """There is none."""

    def is_closing(self) -> bool:
        """Say whether nothing can be sent any more."""
        return self.connection_lost

    def close(self) -> None:
        """On the client's loop: end everything that is under way."""
        self.connection_lost = True
        for wrapper in tuple(self.waiting):
            wrapper.cancel(StreamTerminatedError(LOST))
        for end in tuple(self._ends):
            self._cut(end)
        self._ends.clear()
        self._forget(self)

    def begin(self, end: "End", headers: Headers) -> Callable[[], None]:
        """On the client's loop: send a request; returns what is called when it is over."""
        other = End(self, self.server.home, None)
        end.other, other.other = other, end
        self._ends.add(end)
        # The client's side has the deadline; two that run out at once end in one or the other.
        headers = [(key, value) for key, value in headers if key != "grpc-timeout"]
        # Not in the caller's context: what is started for it must not belong to its container.
        Context().run(other.post, self._answer, other, headers, self.server.who())
        over = self.server.began(end, partial(end.post, self._cut, end))

        def release() -> None:
            self._ends.discard(end)
            over()

        return release

    def _cut(self, end: "End") -> None:
        end.terminate(LOST)
        end.other.post(end.other.broken, LOST)

    def _answer(self, end: "End", headers: Headers, who: Any) -> None:
        end.task = asyncio.ensure_future(self.server.answer(end, headers, who))
        self.tasks.add(end.task)
        end.task.add_done_callback(partial(self._answered, end))

    def _answered(self, end: "End", task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        if task.cancelled():
            end.other.post(end.other.terminate, LOST)


class End:
    """One side of a stream."""

    other: "End"

    def __init__(
        self, link: Link, loop: asyncio.AbstractEventLoop, wrapper: Wrapper | None
    ) -> None:
        self.connection = self._transport = link
        self.wrapper = wrapper
        self.task: asyncio.Task[None] | None = None
        self.headers: Headers | None = None
        self.trailers: Headers | None = None
        self._loop = loop
        self._buffer = Buffer(self._read)
        self._said = asyncio.Event()
        self._room = asyncio.Event()
        self._under_way = 0
        self._ended = False
        self._reset = False

    @property
    def closable(self) -> bool:
        """Say whether there is still something to break off."""
        both = self._ended and self.other._ended
        return not (both or self._reset or self._transport.is_closing())

    async def send_request(
        self, headers: Headers, end_stream: bool = False, *, _processor: Link
    ) -> Callable[[], None]:
        """Begin a call; returns what is called when it is over."""
        await _processor.server.admit()
        release = _processor.begin(self, headers)
        if end_stream:
            await self.end()
        return release

    async def send_headers(self, headers: Headers, end_stream: bool = False) -> None:
        """Send what comes before the messages, or after them."""
        self._check()
        self.other.post(self.other._hear, headers)
        if end_stream:
            await self.end()

    async def send_data(self, data: bytes, end_stream: bool = False) -> None:
        """Send bytes, waiting while the other side has too much to read."""
        self._check()
        while self._under_way >= WINDOW:
            self._room.clear()
            await self._room.wait()
            self._check()
        self._under_way += len(data)
        self.other.post(self.other._buffer.add, data, len(data))
        if end_stream:
            await self.end()

    async def end(self) -> None:
        """Say that nothing more will be sent."""
        self._ended = True
        self.other.post(self.other._buffer.eof)

    async def reset(self) -> None:
        """Break the call off."""
        self.reset_nowait()

    def reset_nowait(self) -> None:
        """Break the call off."""
        self._reset = True
        reason = "Stream reset by remote party, error_code: 0"
        self.other.post(self.other.broken, reason)

    async def recv_headers(self) -> Headers:
        """Wait for what comes before the messages."""
        while self.headers is None:
            self._said.clear()
            await self._said.wait()
        return self.headers

    async def recv_data(self, size: int) -> bytes:
        """Wait for so many bytes; none at the end."""
        return await self._buffer.read(size)

    async def recv_trailers(self) -> Headers:
        """Wait for what comes after the messages."""
        while self.trailers is None:
            self._said.clear()
            await self._said.wait()
        return self.trailers

    def post(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do something on this side's loop, in the order in which it was asked for."""
        if _running() is self._loop:
            work(*arguments)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work, *arguments)

    def broken(self, reason: str) -> None:
        """On this side's loop: the other side has broken the call off."""
        self._reset = True
        self.terminate(reason)
        if self.task is not None:
            self.task.cancel()

    def terminate(self, reason: str) -> None:
        """On this side's loop: wake up who waits."""
        if self.wrapper is not None:
            self.wrapper.cancel(StreamTerminatedError(reason))

    def _check(self) -> None:
        if self._reset or self._transport.is_closing():
            raise StreamClosedError(0)

    def _hear(self, headers: Headers) -> None:
        if self.headers is None:
            self.headers = headers
        else:
            self.trailers = headers
        self._said.set()

    def _read(self, size: int) -> None:
        self.other.post(self.other._has_read, size)

    def _has_read(self, size: int) -> None:
        self._under_way -= size
        self._room.set()


def _running() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

"""
The way in for an SDK of this process: its channels to our own address need no HTTP/2.

While it is in place, a connection that grpclib opens to the address is a `Link`, and calls on it
are answered by the same `front` as on the wire; messages are serialised and parsed on the way, so
nothing is shared. Which container calls is known from the context of the call. Everything else
goes its usual way, also what a forked process sends: its calls come in by the wire.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import nullcontext, suppress
from contextvars import Context
from functools import partial
from typing import Any

from google.protobuf.message import DecodeError, Message
from grpclib import GRPCError, Status
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.encoding.proto import ProtoCodec
from grpclib.events import _DispatchServerEvents
from grpclib.exceptions import StreamTerminatedError
from grpclib.server import request_handler

from modal_emulator.ground.clock import breathe
from modal_emulator.rpc.front import SERVICE, Caller, Front, unreadable
from modal_emulator.rpc.links import LOST, Answer, End, Headers, Link
from modal_emulator.rpc.quick import ask
from modal_emulator.rpc.server import handlers
from modal_emulator.rpc.status import Details
from modal_emulator.runtime.asking import NOTING, asking_lines
from modal_emulator.runtime.inline.here import CLIENT, HERE, Here
from modal_emulator.runtime.telling import CALLS
from modal_emulator.schedule.faults import Dropped

__all__ = ["Memory"]

STREAK = 16  # calls that are answered at once before others on the loop get a turn
# What grpclib's client makes of the answer of grpclib's server to a path that it does not know.
_STEPS = frozenset(f"/{SERVICE.full_name}/{name}" for name in CALLS)
UNKNOWN_PATH = Status.UNKNOWN, "Missing content-type header"


class Memory:
    """Answers calls of this process to one address, on the loop that it was made on."""

    def __init__(self, front: Front, host: str, port: int) -> None:
        self.home = asyncio.get_running_loop()
        self._front = front
        self._address = (host, port)
        self._process = os.getpid()
        self._links: set[Link] = set()
        self._asked = 0
        self._before = _in_place()
        self._ours = (_connecting(self, self._before[0]), _calling(self, self._before[1]))
        self._in_place = False

    def start(self) -> None:
        """Put it in place."""
        self._in_place = True
        NOTING.take()
        _put(self._ours)

    async def stop(self) -> None:
        """Take it away; whoever still waits for an answer hears that the connection is lost."""
        if self._in_place:
            NOTING.give_back()
        self._in_place = False
        if _in_place() == self._ours:
            _put(self._before)
        tasks = set[asyncio.Task[None]]()
        for link in tuple(self._links):
            tasks |= link.tasks
            if link.loop is self.home:
                link.close()
            else:
                with suppress(RuntimeError):  # its loop is closed
                    link.loop.call_soon_threadsafe(link.close)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2)

    def link(self, channel: Channel) -> Link | None:
        """Return a new connection if the channel leads here."""
        if not self.leads_here(channel):
            return None
        link = Link(self, self._links.discard)
        self._links.add(link)
        return link

    def leads_here(self, channel: Channel) -> bool:
        """Say whether what the channel connects to is answered here."""
        ours = (channel._host, channel._port) == self._address
        plain = channel._path is None and channel._ssl is None
        return self._in_place and ours and plain and os.getpid() == self._process

    def who(self) -> str | None:
        """Return the id of the container that calls; None outside of any."""
        here = HERE.get()
        return here.container_id if here is not None else None

    async def admit(self) -> None:
        """Return if who calls may begin a stream, and raise for a container that was killed."""
        here = HERE.get()
        if here is not None and here.kill.has_come:
            await here.kill.refuse()

    def began(self, end: End, cut: Callable[[], object]) -> Callable[[], object]:
        """Have a container's stream end with the container."""
        here = HERE.get()
        if here is None:
            return _nothing
        here.kill.streams(end, cut)
        return partial(here.kill.forget, end)

    async def answer(self, end: End, headers: Headers, who: str | None) -> None:
        """Answer a call on the server's end of its stream, as grpclib's server does."""
        path = dict(headers)[":path"]
        method = self._methods(who).get(path)
        mapping = {} if method is None else handlers({path: method}, who)
        events = _DispatchServerEvents()  # nobody listens
        stream: Any = end
        await request_handler(mapping, stream, headers, ProtoCodec(), Details(), events, _nothing)

    async def answer_one(
        self, link: Link, path: str, metadata: dict[str, str], request: bytes
    ) -> Answer:
        """
        Answer a call of one message and one reply, on the link's loop.

        Cancelled, it cancels what answers, as a closed stream does.
        """
        here = HERE.get()
        answer = partial(self._answer_one, here, link, path, metadata, request)
        return await (answer() if here is None else here.kill.answering(answer, waits=True))

    async def _answer_one(
        self, here: Here | None, link: Link, path: str, metadata: dict[str, str], request: bytes
    ) -> Answer:
        where = asking_lines() if path in _STEPS else ()
        work = self._answer(path, metadata, request, self.who(), where)
        try:
            if link.loop is not self.home:
                begin = asyncio.run_coroutine_threadsafe
                return await asyncio.wrap_future(Context().run(begin, work, self.home))
            # What is started for the call must not belong to the caller's container.
            HERE.set(None)
            client = CLIENT.get()
            try:
                with nullcontext() if client is None else client.calling():
                    return await work
            finally:
                HERE.set(here)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
        raise StreamTerminatedError(LOST)  # not the caller was cancelled, but what answers it

    async def _answer(
        self,
        path: str,
        metadata: dict[str, str],
        request: bytes,
        who: str | None,
        where: tuple[str, ...],
    ) -> Answer:
        method = self._methods(who).get(path)
        if method is None:
            return Answer(*UNKNOWN_PATH)
        self._asked += 1
        if self._asked % STREAK == 0:
            await breathe()
        replies: list[bytes] = []

        async def read() -> Any:
            try:
                return method.request_type.FromString(request)
            except DecodeError as error:
                raise unreadable(method.name, error) from error

        async def send(reply: Message) -> None:
            replies.append(ProtoCodec().encode(reply, method.reply_type))

        try:
            await method.answer(Caller(who, metadata, is_near=True, where=where), read, send)
        except GRPCError as error:
            return Answer(error.status, error.message, None, error.details)
        except Dropped:
            raise StreamTerminatedError(LOST) from None
        return Answer(Status.OK, None, replies[0])

    def _methods(self, who: str | None) -> Any:
        return self._front.for_clients if who is None else self._front.for_containers


def _connecting(memory: Memory, before: Any) -> Any:
    async def create_connection(channel: Channel) -> Any:
        link = memory.link(channel)
        return link if link is not None else await before(channel)

    return create_connection


def _calling(memory: Memory, before: Any) -> Any:
    async def call(
        method: UnaryUnaryMethod[Any, Any],
        message: Any,
        *,
        timeout: float | None = None,
        metadata: Any = None,
    ) -> Any:
        protocol: object = method.channel._protocol
        if isinstance(protocol, Link) or memory.leads_here(method.channel):
            protocol = await method.channel.__connect__()  # it may be closed
        if isinstance(protocol, Link):
            return await ask(protocol, method, message, timeout, metadata)
        return await before(method, message, timeout=timeout, metadata=metadata)

    return call


def _in_place() -> tuple[Any, Any]:
    return Channel._create_connection, UnaryUnaryMethod.__call__


def _put(hooks: tuple[Any, Any]) -> None:
    Channel._create_connection, UnaryUnaryMethod.__call__ = hooks  # type: ignore[method-assign]


def _is_cancelled() -> bool:
    """Say whether somebody has cancelled the running task; Python 3.10 does not know."""
    cancelling: Any = getattr(asyncio.current_task(), "cancelling", None)
    return cancelling is None or cancelling() > 0


def _nothing() -> None:
    pass

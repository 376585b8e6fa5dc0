"""
A front of its own kind behind either transport, for what is to be the same on both.

Its methods have nothing to do with Modal's: they answer, fail, stream and hang as they are told.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.wrappers_pb2 import StringValue
from grpclib import GRPCError, Status
from grpclib.client import (
    Channel,
    StreamStreamMethod,
    StreamUnaryMethod,
    UnaryStreamMethod,
    UnaryUnaryMethod,
)
from grpclib.const import Cardinality

from modal_emulator.ground.errors import Invalid
from modal_emulator.rpc.front import Caller, Method
from modal_emulator.rpc.memory import Memory
from modal_emulator.rpc.server import Wire
from modal_emulator.runtime.inline.here import HERE

__all__ = ["Server", "method", "opened", "outcome", "serving", "text"]

SHAPES = {
    "Count": (Cardinality.UNARY_STREAM, UnaryStreamMethod),
    "HangLater": (Cardinality.UNARY_STREAM, UnaryStreamMethod),
    "Join": (Cardinality.STREAM_UNARY, StreamUnaryMethod),
    "EchoAll": (Cardinality.STREAM_STREAM, StreamStreamMethod),
}
ONE = (Cardinality.UNARY_UNARY, UnaryUnaryMethod)


def text(value: str) -> StringValue:
    """Return a message."""
    return StringValue(value=value)


def method(channel: Channel, name: str) -> Any:
    """Return a method of the server's, as a generated stub has it."""
    shape: Any = SHAPES.get(name, ONE)[1]
    return shape(channel, f"/test.Test/{name}", StringValue, StringValue)


async def outcome(work: Awaitable[Any]) -> Any:
    """Return what a call returns, or the failure that it ends in."""
    try:
        found = await work
    except GRPCError as error:
        return error.status.name, error.message, error.details
    except Exception as error:
        return type(error).__name__, str(error)
    return [each.value for each in found] if isinstance(found, list) else found.value


class Server:
    """What the transports take for a front, and what its methods have seen."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.replies: list[StringValue] = []
        self.hanging, self.cancelled = Moment(), Moment()
        answers = {
            "Echo": self._echo,
            "Fail": self._fail,
            "Hang": self._hang,
            "End": self._end,
            "Count": self._count,
            "HangLater": self._hang,
            "Join": self._join,
            "EchoAll": self._echo_all,
        }
        self.for_containers = dict(self._method(*each) for each in answers.items())
        self.for_clients = {**self.for_containers, **dict([self._method("Ours", self._echo)])}

    def _method(self, name: str, answer: Any) -> tuple[str, Method]:
        async def answering(caller: Caller, read: Any, send: Any) -> None:
            assert HERE.get() is None  # what answers runs in nobody's container
            self.callers.append(caller)
            try:
                await answer(read, send)
            except Invalid as error:
                raise GRPCError(Status.INVALID_ARGUMENT, error.message) from error

        cardinality = SHAPES.get(name, ONE)[0]
        made = Method(name, cardinality, StringValue, StringValue, answering)
        return f"/test.Test/{name}", made

    async def _echo(self, read: Any, send: Any) -> None:
        self.replies.append(text((await read()).value))
        await send(self.replies[-1])

    async def _fail(self, read: Any, send: Any) -> None:
        status, _, message = (await read()).value.partition(" ")
        raise GRPCError(Status[status], None if message == "-" else message)

    async def _hang(self, read: Any, send: Any) -> None:
        first = await read()
        if first.value:
            await send(first)
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _end(self, read: Any, send: Any) -> None:
        raise asyncio.CancelledError

    async def _count(self, read: Any, send: Any) -> None:
        number, _, status = (await read()).value.partition(" ")
        for each in range(int(number)):
            await send(text(str(each)))
        if status:
            raise GRPCError(Status[status], "after all")

    async def _join(self, read: Any, send: Any) -> None:
        await send(text("".join([each async for each in _all(read)])))

    async def _echo_all(self, read: Any, send: Any) -> None:
        async for each in _all(read):
            await send(text(each))


class Moment:
    """Something that happens once, awaited from any event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self.here = False
        """Whether it has happened."""

    def set(self) -> None:
        """It happens."""
        self.here = True
        for loop, event in self._waiting:
            loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        """Return once it has happened."""
        event = asyncio.Event()
        self._waiting.append((asyncio.get_running_loop(), event))
        if not self.here:
            await asyncio.wait_for(event.wait(), 60)


async def _all(read: Any) -> AsyncIterator[str]:
    with contextlib.suppress(Invalid):  # the end
        while True:
            yield (await read()).value


@contextlib.asynccontextmanager
async def serving(
    transport: str, directory: Path
) -> AsyncIterator[tuple[Server, tuple[str, int], Memory | None]]:
    """Run one behind a transport; yield it and its address, and the way in by memory if it is."""
    server: Any = Server()
    wire = Wire(server, directory)
    address = "127.0.0.1", await wire.listen("127.0.0.1", 0)
    memory = Memory(server, *address) if transport == "memory" else None
    if memory is not None:
        memory.start()
    try:
        yield server, address, memory
    finally:
        if memory is not None:
            await memory.stop()
        await wire.stop()


@contextlib.contextmanager
def opened(address: tuple[str, int]) -> Iterator[Channel]:
    """Open a channel on the running loop."""
    channel = Channel(*address)
    try:
        yield channel
    finally:
        channel.close()

"""
The way in by memory is the same as the one by the wire.

Each case is played on the wire, in memory on the server's own event loop, and in memory from
another thread's loop; all three must end alike, and as the case says.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from grpclib import Status, events
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.encoding.proto import ProtoCodec

from modal_emulator.rpc import server as wire
from modal_emulator.runtime.inline.here import HERE, Here
from transports import Server, method, opened, outcome, serving, text

Play = Callable[[Channel, Server], Awaitable[Any]]
BIG = "ß" * (5 << 20)  # more than either side takes before some of it has been read


BROKEN = b"\xff\xff"


def why_not(data: bytes) -> str:
    """Return protobuf's words, which change from version to version."""
    with pytest.raises(DecodeError) as caught:
        Empty.FromString(data)
    return str(caught.value).replace("Empty", "StringValue")


@pytest.fixture
def sockets() -> Any:
    with tempfile.TemporaryDirectory(prefix="t") as directory:
        yield Path(directory)


def played(play: Play, transport: str, place: str, sockets: Path) -> Any:
    """Return what a case ends in."""

    async def calling(server: Server, address: tuple[str, int]) -> Any:
        with opened(address) as channel:
            return await asyncio.wait_for(play(channel, server), 60)

    async def serve() -> Any:
        async with serving(transport, sockets) as (server, address, _):
            if place == "elsewhere":
                return await asyncio.to_thread(asyncio.run, calling(server, address))
            return await calling(server, address)

    return asyncio.run(serve())


def one(name: str, value: str, **options: Any) -> Play:
    """Make one call, with one message."""

    def play(channel: Channel, _server: Server) -> Any:
        return outcome(method(channel, name)(text(value), **options))

    return play


def many(name: str, *values: str) -> Play:
    """Make one call, with many messages."""

    def play(channel: Channel, _server: Server) -> Any:
        return outcome(method(channel, name)([text(value) for value in values]))

    return play


async def metadata(channel: Channel, server: Server) -> Any:
    sent = [("x-one", "1"), ("x-many", "2"), ("x-many", "3"), ("x-bytes-bin", b"\0\xff")]
    await method(channel, "Echo")(text(""), metadata=sent)
    async with method(channel, "Echo").open(metadata=sent) as stream:
        await stream.send_message(text(""))
        await stream.recv_message()
    return [(caller.container_id, dict(caller.metadata)) for caller in server.callers]


async def listened(channel: Channel, server: Server) -> Any:
    heard: list[Any] = []

    async def hear(event: Any) -> None:
        kind = type(event).__name__
        if kind == "SendRequest":
            event.metadata["x-added"] = "yes"
            heard.append((kind, event.method_name, event.content_type))
        elif kind == "RecvTrailingMetadata":
            heard.append((kind, dict(event.metadata), event.status, event.status_message))
        elif kind == "RecvInitialMetadata":
            heard.append((kind, dict(event.metadata)))
        else:
            heard.append((kind, event.message.value))

    for kind in ("SendRequest", "SendMessage", "RecvInitialMetadata", "RecvMessage"):
        events.listen(channel, getattr(events, kind), hear)
    events.listen(channel, events.RecvTrailingMetadata, hear)
    await outcome(method(channel, "Echo")(text("a")))
    await outcome(method(channel, "Fail")(text("NOT_FOUND no such thing")))
    return heard, [dict(caller.metadata) for caller in server.callers]


async def cancelled(channel: Channel, server: Server) -> Any:
    task = asyncio.ensure_future(method(channel, "Hang")(text("")))
    await server.hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.cancelled.wait()
    return await outcome(method(channel, "Echo")(text("goes on")))


async def abandoned(channel: Channel, server: Server) -> Any:
    with pytest.raises(ZeroDivisionError):
        async with method(channel, "HangLater").open() as stream:
            await stream.send_message(text("first"), end=True)
            assert (await stream.recv_message()).value == "first"
            raise ZeroDivisionError
    await server.cancelled.wait()
    return await outcome(method(channel, "Echo")(text("goes on")))


async def broken_off(channel: Channel, server: Server) -> Any:
    async with method(channel, "HangLater").open() as stream:
        await stream.send_message(text("first"), end=True)
        await stream.recv_message()
        await stream.cancel()
    await server.cancelled.wait()
    return "cancelled"


async def closed(channel: Channel, server: Server) -> Any:
    names = ("Hang", "HangLater")
    waiting = [asyncio.ensure_future(outcome(method(channel, n)(text("")))) for n in names]
    await server.hanging.wait()
    while len(server.callers) < len(names):
        await asyncio.sleep(0)
    channel.close()
    ended = [await each for each in waiting]
    await server.cancelled.wait()
    return [*ended, await outcome(method(channel, "Echo")(text("again")))]


async def late(channel: Channel, server: Server) -> Any:
    patience = 0.05
    while True:
        ended = await outcome(method(channel, "Hang")(text(""), timeout=patience))
        if server.hanging.here:
            break
        patience *= 2  # the time was over before the server had heard of the call
    await server.cancelled.wait()
    await outcome(method(channel, "Count")(text(""), timeout=0.05))
    return [ended, await outcome(method(channel, "Echo")(text("in time"), timeout=60))]


async def reads_while_it_comes(channel: Channel, server: Server) -> Any:
    async with method(channel, "EchoAll").open() as stream:
        heard = []
        for value in "abc":
            await stream.send_message(text(value))
            heard.append((await stream.recv_message()).value)
        await stream.end()
        return heard, await stream.recv_message()


async def begins_by_hand(channel: Channel, server: Server) -> Any:
    async with method(channel, "Echo").open() as stream:
        await stream.send_request()
        await stream.send_message(text("a"))
        await stream.recv_initial_metadata()
        first, second = await stream.recv_message(), await stream.recv_message()
        await stream.recv_trailing_metadata()
        return first.value, second, dict(stream.initial_metadata), dict(stream.trailing_metadata)


async def unreadable(channel: Channel, server: Server) -> Any:
    class Raw(ProtoCodec):
        def encode(self, message: Any, message_type: Any) -> bytes:
            return BROKEN

    channel._codec = Raw()
    return await outcome(method(channel, "Echo")(text("")))


async def no_such_method(channel: Channel, server: Server) -> Any:
    missing = UnaryUnaryMethod(channel, "/test.Test/Missing", Empty, Empty)
    return await outcome(missing(Empty()))


async def at_once(channel: Channel, server: Server) -> Any:
    calls = [outcome(method(channel, "Echo")(text(str(each)))) for each in range(200)]
    return await asyncio.gather(*calls) == [str(each) for each in range(200)]


SAID = "Zażółć 100%\tgęślą\njaźń \u2028 /?=;"


@dataclass
class Case:
    """What is done, and what comes of it."""

    play: Play
    end: Any


CASES = {
    "reply": Case(one("Echo", "a"), "a"),
    "empty reply": Case(one("Echo", ""), ""),
    "big messages": Case(one("Echo", BIG), BIG),
    "big messages in a stream": Case(many("Join", BIG, "", BIG), BIG + BIG),
    "many replies": Case(one("Count", "300"), [str(each) for each in range(300)]),
    "no replies": Case(one("Count", "0"), []),
    "replies, then a failure": Case(one("Count", "3 DATA_LOSS"), ("DATA_LOSS", "after all", None)),
    "many messages": Case(many("Join", "a", "b", "c"), "abc"),
    "no messages": Case(many("Join"), ""),
    "to and fro": Case(reads_while_it_comes, (["a", "b", "c"], None)),
    "by hand": Case(begins_by_hand, ("a", None, {}, {})),
    "failure without a text": Case(one("Fail", "ABORTED -"), ("ABORTED", None, None)),
    "failure with an empty text": Case(one("Fail", "ABORTED "), ("ABORTED", "", None)),
    "metadata": Case(metadata, [(None, {"x-one": "1", "x-many": "3"})] * 2),
    "events": Case(
        listened,
        (
            [
                ("SendRequest", "/test.Test/Echo", "application/grpc"),
                ("SendMessage", "a"),
                ("RecvInitialMetadata", {}),
                ("RecvMessage", "a"),
                ("RecvTrailingMetadata", {}, Status.OK, None),
                ("SendRequest", "/test.Test/Fail", "application/grpc"),
                ("SendMessage", "NOT_FOUND no such thing"),
                ("RecvInitialMetadata", {}),
                ("RecvTrailingMetadata", {}, Status.NOT_FOUND, "no such thing"),
            ],
            [{"x-added": "yes"}] * 2,
        ),
    ),
    "cancelled": Case(cancelled, "goes on"),
    "left in the middle": Case(abandoned, "goes on"),
    "broken off": Case(broken_off, "cancelled"),
    "channel closed": Case(closed, [("StreamTerminatedError", "Connection lost")] * 2 + ["again"]),
    "too late": Case(late, [("TimeoutError", "Deadline exceeded"), "in time"]),
    "late from the start": Case(one("Echo", "", timeout=0), ("TimeoutError", "Deadline exceeded")),
    "unreadable": Case(
        unreadable,
        ("INVALID_ARGUMENT", f"Echo: the request cannot be read: {why_not(BROKEN)}", None),
    ),
    "no such method": Case(no_such_method, ("UNKNOWN", "Missing content-type header", None)),
    "all at once": Case(at_once, True),
    **{
        f"failure {status.name}": Case(
            one("Fail", f"{status.name} {SAID}"), (status.name, SAID, None)
        )
        for status in Status
        if status is not Status.OK
    },
    **{
        f"metadata {value!r}": Case(one("Echo", "", metadata=[value]), error)
        for value, error in [
            (("X-Upper", "a"), ("ValueError", "Invalid metadata key: 'X-Upper'")),
            (("grpc-x", "a"), ("ValueError", "Invalid metadata key: 'grpc-x'")),
            (("x", "ä"), ("ValueError", "Invalid metadata value: 'ä'")),
            (("x", "a\n"), ("ValueError", "Invalid metadata value: 'a\\n'")),
            (("x", ""), ("ValueError", "Invalid metadata value: ''")),
            (("x", 1), ("TypeError", "Invalid metadata value type, str expected: 1")),
            (("x-bin", "a"), ("TypeError", "Invalid metadata value type, bytes expected: 'a'")),
            (("x", "~ a "), ""),
        ]
    },
}


@pytest.mark.parametrize("name", CASES)
def test_memory_is_as_the_wire(name: str, sockets: Path) -> None:
    case = CASES[name]
    ends = {
        f"{transport} {place}": played(case.play, transport, place, sockets)
        for transport, place in (("wire", "here"), ("memory", "here"), ("memory", "elsewhere"))
    }
    assert ends == dict.fromkeys(ends, case.end)


def in_memory(work: Callable[[Server, Channel, Any], Awaitable[None]], sockets: Path) -> None:
    async def serve() -> None:
        async with serving("memory", sockets) as (server, address, memory):
            with opened(address) as channel:
                await asyncio.wait_for(work(server, channel, memory), 60)

    asyncio.run(serve())


def test_nothing_is_shared(sockets: Path) -> None:
    async def work(server: Server, channel: Channel, _memory: Any) -> None:
        sent = text("a")
        got = await method(channel, "Echo")(sent)
        assert got is not server.replies[0]
        assert got is not sent

    in_memory(work, sockets)


def test_a_container_is_known_by_the_context_of_the_call(sockets: Path) -> None:
    async def work(server: Server, channel: Channel, _memory: Any) -> None:
        here = Here("ta-1", {}, lambda _descriptor, _data: None)
        HERE.set(here)
        assert await outcome(method(channel, "Echo")(text("a"))) == "a"
        assert await outcome(method(channel, "Count")(text("2"))) == ["0", "1"]
        assert HERE.get() is here
        # What is ours is for clients outside.
        assert (await outcome(method(channel, "Ours")(text("a"))))[0] == "UNKNOWN"
        HERE.set(None)
        assert await outcome(method(channel, "Ours")(text("a"))) == "a"
        assert [each.container_id for each in server.callers] == ["ta-1", "ta-1", None]

    in_memory(work, sockets)


def test_many_calls_in_a_row_leave_others_their_turns(sockets: Path) -> None:
    async def work(_server: Server, channel: Channel, _memory: Any) -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(others())
        for _ in range(100):
            await method(channel, "Echo")(text("a"))
        task.cancel()
        assert turns >= 5

    in_memory(work, sockets)


@pytest.mark.parametrize("name", ["Hang", "HangLater"])
def test_who_waits_when_the_server_stops_hears_of_it(name: str, sockets: Path) -> None:
    async def work(server: Server, channel: Channel, memory: Any) -> None:
        waiting = asyncio.ensure_future(outcome(method(channel, name)(text(""))))
        await server.hanging.wait()
        await memory.stop()
        assert await waiting == ("StreamTerminatedError", "Connection lost")
        assert server.cancelled.here

    in_memory(work, sockets)


def test_a_handler_that_is_cancelled_does_not_cancel_its_caller(sockets: Path) -> None:
    async def work(_server: Server, channel: Channel, _memory: Any) -> None:
        if hasattr(asyncio.Task, "cancelling"):
            ended = await outcome(method(channel, "End")(text("")))
            assert ended == ("StreamTerminatedError", "Connection lost")
        else:  # Python 3.10 cannot tell the two apart
            with pytest.raises(asyncio.CancelledError):
                await method(channel, "End")(text(""))

    in_memory(work, sockets)


def test_only_our_own_address_leads_here(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(_server: Server, channel: Channel, memory: Any) -> None:
        assert memory.link(channel) is not None
        assert memory.link(Channel("127.0.0.1", channel._port + 1)) is None
        assert memory.link(Channel(path="/tmp/socket")) is None
        assert memory.link(Channel(channel._host, channel._port, ssl=True)) is None
        # A forked process has the same memory, and nobody in it who answers.
        monkeypatch.setattr("os.getpid", lambda: -1)
        assert memory.link(channel) is None

    in_memory(work, sockets)


def test_grpclib_is_as_before_afterwards(sockets: Path) -> None:
    before = Channel._create_connection, UnaryUnaryMethod.__call__

    async def work(_server: Server, channel: Channel, memory: Any) -> None:
        async with serving("memory", sockets) as (_, address, _inner):
            assert Channel._create_connection is not before[0]
            with opened(address) as inner:
                assert await outcome(method(inner, "Echo")(text("b"))) == "b"
            assert await outcome(method(channel, "Echo")(text("a"))) == "a"
        assert await outcome(method(channel, "Echo")(text("a"))) == "a"

    in_memory(work, sockets)
    assert (Channel._create_connection, UnaryUnaryMethod.__call__) == before


def test_nobody_serves_the_port_until_somebody_connects(
    sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []

    class Counted(wire.Server):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            served.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(wire, "Server", Counted)

    async def work(_server: Server, channel: Channel, memory: Any) -> None:
        await method(channel, "Echo")(text("a"))
        assert not served
        await memory.stop()
        channel.close()
        calls = [outcome(method(channel, "Echo")(text(each))) for each in "abc"]
        assert await asyncio.gather(*calls) == ["a", "b", "c"]
        assert len(served) == 1

    in_memory(work, sockets)

"""Bytes through tunnels, between real sockets."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from modal_emulator.schedule.tunnels import Ear
from modal_emulator.web.authority import Authority
from modal_emulator.web.tunnels import Sockets

HOST = "127.0.0.1"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca.pem")


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[int]:
    """A container's server; gives its port."""
    async with await asyncio.start_server(answer, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def talking(ear: Ear, authority: Authority | None = None) -> AsyncIterator[Streams]:
    """An outsider, who trusts the authority if there is one."""
    context = None
    if authority is not None:
        context = ssl.create_default_context(cadata=authority.certificate.decode())
    reader, writer = await asyncio.open_connection(ear.host, ear.port, ssl=context)
    yield reader, writer
    writer.close()


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say it all again, loudly, once it was said to the end."""
    writer.write((await reader.read()).upper())
    writer.write_eof()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def test_bytes_come_and_go_through_tls(authority: Authority) -> None:
    async def story() -> None:
        async with serving(echo) as port:
            ear = await Sockets(authority).secure(HOST, port, offers_h2=False)
            async with talking(ear, authority) as (reader, writer):
                writer.write(b"hello" * 100_000)
                assert await reader.readexactly(500_000) == b"hello" * 100_000
                assert writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
            ear.close()

    asyncio.run(story())


def test_each_direction_ends_by_itself(authority: Authority) -> None:
    async def story() -> None:
        async with serving(shout) as port:
            ear = await Sockets(authority).plain(HOST, port)
            async with talking(ear) as (reader, writer):
                writer.write(b"hello")
                writer.write_eof()
                assert await reader.read() == b"HELLO"
            ear.close()

    asyncio.run(story())


def half_close(ear: Ear, authority: Authority) -> bytes:
    """Speak TLS to the end, then listen: asyncio's own TLS cannot do that."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(came, goes, server_hostname=HOST)
    with socket.create_connection((ear.host, ear.port), timeout=60) as line:

        def until(step: Callable[[], bytes | None]) -> bytes:
            while True:
                try:
                    return step() or b""
                except ssl.SSLWantReadError:
                    line.sendall(goes.read())
                    came.write(line.recv(1 << 16))
                except ssl.SSLZeroReturnError:
                    return b""

        until(tls.do_handshake)
        tls.write(b"hello")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        line.sendall(goes.read())
        return until(lambda: tls.read(100)) + until(lambda: tls.read(100))


def test_each_direction_ends_by_itself_inside_tls_too(authority: Authority) -> None:
    async def story() -> None:
        async with serving(shout) as port:
            ear = await Sockets(authority).secure(HOST, port, offers_h2=False)
            assert await asyncio.to_thread(half_close, ear, authority) == b"HELLO"
            ear.close()

    asyncio.run(story())


def test_a_slow_reader_slows_the_writer(authority: Authority) -> None:
    """What is under way is bounded by buffers of sockets, some megabytes at most."""
    sent = 0

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1 << 20

    async def story() -> None:
        async with serving(pour) as port:
            ear = await Sockets(authority).plain(HOST, port)
            async with talking(ear) as (reader, _):
                await reader.readexactly(1)
                before = -1
                while not sent or before != sent:  # until nothing moves any more
                    before = sent
                    await asyncio.sleep(0.1)
                assert 0 < sent < 64 << 20
                await reader.readexactly(sent)  # and it goes on
            ear.close()

    asyncio.run(story())


def test_many_at_once(authority: Authority) -> None:
    async def talk(ear: Ear, number: int) -> bytes:
        async with talking(ear, authority) as (reader, writer):
            writer.write(b"%d\n" % number)
            return await reader.readline()

    async def story() -> None:
        async with serving(echo) as port:
            ear = await Sockets(authority).secure(HOST, port, offers_h2=False)
            said = await asyncio.gather(*(talk(ear, number) for number in range(50)))
            assert said == [b"%d\n" % number for number in range(50)]
            ear.close()

    asyncio.run(story())


def test_who_closes_hangs_up(authority: Authority) -> None:
    async def story() -> None:
        async with serving(echo) as port:
            ear = await Sockets(authority).secure(HOST, port, offers_h2=False)
            async with talking(ear, authority) as (reader, writer):
                writer.write(b"a")
                assert await reader.readexactly(1) == b"a"
                ear.close()
                assert await reader.read() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(ear.host, ear.port)

    asyncio.run(story())


def test_where_nobody_listens_yet_outsiders_are_hung_up_on(authority: Authority) -> None:
    async def story() -> None:
        with socket.socket() as kept:  # so that nobody else is given the port
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind((HOST, 0))
            port = kept.getsockname()[1]
            ear = await Sockets(authority).secure(HOST, port, offers_h2=False)
            async with talking(ear, authority) as (reader, _):
                assert await reader.read() == b""
            async with (
                await asyncio.start_server(echo, HOST, port),
                talking(ear, authority) as (reader, writer),
            ):
                writer.write(b"a")
                assert await reader.readexactly(1) == b"a"
            ear.close()

    asyncio.run(story())


def test_who_speaks_no_tls_or_trusts_nobody_is_hung_up_on(authority: Authority) -> None:
    async def story() -> None:
        async with serving(echo) as port:
            ear = await Sockets(authority).secure(HOST, port, offers_h2=False)
            async with talking(ear) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                assert b"HTTP" not in await reader.read()
            with pytest.raises(ssl.SSLCertVerificationError):
                context = ssl.create_default_context()
                await asyncio.open_connection(ear.host, ear.port, ssl=context)
            ear.close()

    asyncio.run(story())

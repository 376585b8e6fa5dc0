"""
The sockets of tunnels: outsiders are heard on loopback, TLS is taken off, the bytes go on.

Bytes only, as on Modal: nothing of HTTP is read or added. Each direction ends by itself, a slow
reader slows its writer, and an outsider whose container does not listen is hung up on.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from modal_emulator.schedule.tunnels import Ear
from modal_emulator.world import Certifier

__all__ = ["Sockets"]

_HOST = "127.0.0.1"
_PIECE = 64 << 10
_H2 = ("h2", "http/1.1")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Greet = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable["_End"]]


class Sockets:
    """Opens ports for outsiders."""

    def __init__(self, authority: Certifier) -> None:
        self._authority = authority

    async def secure(self, host: str, port: int, *, offers_h2: bool) -> Ear:
        """Hear outsiders who speak TLS, and pass on what is inside."""
        context = self._authority.server_context(_HOST, "localhost", alpn=_H2 if offers_h2 else ())
        return await _listen(host, port, partial(_greet, context))

    async def plain(self, host: str, port: int) -> Ear:
        """Hear outsiders and pass on what they say."""
        return await _listen(host, port, _say_nothing)


class _End(Protocol):
    """One end of a connection."""

    async def read(self) -> bytes:
        """Return what came; nothing when no more will."""
        ...

    async def write(self, data: bytes) -> None:
        """Send, and wait while the other side is slow."""
        ...

    async def finish(self) -> None:
        """Say that no more will come; the other side may go on."""
        ...


class _Plain:
    """An end as it is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        return await self._reader.read(_PIECE)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def finish(self) -> None:
        self._writer.write_eof()


class _Secure:
    """
    An end that speaks TLS.

    Not asyncio's own: that one ends both directions when one does.
    """

    def __init__(self, context: ssl.SSLContext, outer: _Plain) -> None:
        self._outer = outer
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_side=True)

    async def greet(self) -> None:
        """Agree with the other side; an `ssl.SSLError` says why not."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._turn()
            else:
                return await self._flush()

    async def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(_PIECE)
            except ssl.SSLWantReadError:
                await self._turn()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        await self._flush()

    async def finish(self) -> None:
        with suppress(ssl.SSLError):  # it wants the other side's word, which may come much later
            self._tls.unwrap()
        await self._flush()
        await self._outer.finish()

    async def _turn(self) -> None:
        await self._flush()
        data = await self._outer.read()
        if data:
            self._came.write(data)
        else:
            self._came.write_eof()

    async def _flush(self) -> None:
        if self._goes.pending:
            await self._outer.write(self._goes.read())


async def _greet(
    context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> _End:
    end = _Secure(context, _Plain(reader, writer))
    await end.greet()
    return end


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _End:
    return _Plain(reader, writer)


async def _listen(host: str, port: int, greet: Greet) -> Ear:
    """Hear outsiders on a free port, and lead each to the container's."""
    talks: set[asyncio.Task[None]] = set()

    def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.ensure_future(_talk(greet, host, port, (reader, writer)))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    server = await asyncio.start_server(heard, _HOST, 0, limit=_PIECE)

    def close() -> None:
        server.close()
        for talk in talks:
            talk.cancel()

    return Ear(_HOST, server.sockets[0].getsockname()[1], close)


async def _talk(greet: Greet, host: str, port: int, streams: Streams) -> None:
    """Carry one connection to its end; whatever breaks on the way ends it."""
    writers = [streams[1]]
    with suppress(OSError, asyncio.CancelledError):
        try:
            outside = await greet(*streams)
            # What Modal does where nothing listens yet is not known; to hang up is a guess.
            reader, writer = await asyncio.open_connection(host, port, limit=_PIECE)
            writers.append(writer)
            await _both_ways(outside, _Plain(reader, writer))
        finally:
            for writer in writers:
                writer.close()


async def _both_ways(one: _End, other: _End) -> None:
    ways = [asyncio.ensure_future(_carry(*way)) for way in ((one, other), (other, one))]
    try:
        await asyncio.gather(*ways)
    finally:
        for way in ways:
            way.cancel()


async def _carry(source: _End, target: _End) -> None:
    while data := await source.read():
        await target.write(data)
    await target.finish()

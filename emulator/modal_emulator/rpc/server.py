"""
The wire: calls that come in over HTTP/2, on loopback TCP and on unix sockets.

A unix socket belongs to one container, which is how the server knows which container is calling.
What a call means and what answers it is known to the `front`.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message
from grpclib.const import Handler
from grpclib.exceptions import StreamTerminatedError
from grpclib.server import Server, Stream

from modal_emulator.ground.errors import Invalid
from modal_emulator.rpc.call import TIMEOUT
from modal_emulator.rpc.front import Caller, Front, Method, unreadable
from modal_emulator.rpc.status import Details
from modal_emulator.schedule.faults import Dropped

__all__ = ["Mapped", "Wire", "end", "handlers", "listen"]

BACKLOG = 100
LOG = logging.getLogger("modal_emulator")
GrpcStream = Stream[Any, Any]


class Wire:
    """Listens for SDKs; a server stands behind the port once somebody has connected."""

    def __init__(self, front: Front, sockets: Path) -> None:
        self._front = front
        self._sockets = sockets
        logging.getLogger("grpclib.server").addFilter(_worth_saying)
        self._listener: socket.socket | None = None
        self._starting: asyncio.Task[Server] | None = None
        self._doors: dict[str, tuple[Server, Path]] = {}
        self._count = 0

    async def listen(self, host: str, port: int) -> int:
        """Listen on TCP for clients outside containers; return the port."""
        self._listener = listen(host, port)
        asyncio.get_running_loop().add_reader(self._listener, self._serve)
        return int(self._listener.getsockname()[1])

    async def open(self, container_id: str) -> Path:
        """Listen on a unix socket for this container only; return its path."""
        self._count += 1
        path = self._sockets / str(self._count)
        server = _server(handlers(self._front.for_containers, container_id))
        await server.start(path=str(path))
        path.chmod(0o600)
        self._doors[container_id] = (server, path)
        return path

    def close(self, container_id: str) -> None:
        """Stop listening for this container."""
        server, path = self._doors.pop(container_id, (None, None))
        if server is not None and path is not None:
            server.close()
            path.unlink(missing_ok=True)

    async def stop(self) -> None:
        """Stop listening at all."""
        for container_id in tuple(self._doors):
            self.close(container_id)
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            if self._starting is not None:
                await end(await self._starting)
            self._listener.close()

    def _serve(self) -> None:
        """Somebody has connected, and waits."""
        assert self._listener is not None
        asyncio.get_running_loop().remove_reader(self._listener)
        self._starting = asyncio.ensure_future(self._start(self._listener))

    async def _start(self, listener: socket.socket) -> Server:
        server = _server(handlers(self._front.for_clients, None))
        await server.start(sock=listener)
        return server


def _server(mapping: dict[str, Handler]) -> Server:
    return Server([Mapped(mapping)], status_details_codec=Details())


def handlers(methods: Mapping[str, Method], container_id: str | None) -> dict[str, Handler]:
    """Return what grpclib calls, by path, for calls of one container or of clients outside."""
    return {
        path: Handler(
            partial(_answer, method, container_id),
            method.cardinality,
            method.request_type,
            method.reply_type,
        )
        for path, method in methods.items()
    }


async def _answer(method: Method, container_id: str | None, stream: GrpcStream) -> None:
    texts = {k: v for k, v in (stream.metadata or {}).items() if isinstance(v, str)}
    if stream.deadline is not None:
        texts[TIMEOUT] = str(stream.deadline.time_remaining())
    read = partial(_request, method.name, stream)
    try:
        await method.answer(Caller(container_id, texts), read, stream.send_message)
    except Dropped:
        await stream.cancel()


async def _request(name: str, stream: GrpcStream) -> Message:
    """Return the message that was sent, or say what is wrong with it."""
    try:
        request: Message | None = await stream.recv_message()
    except (AssertionError, DecodeError, NotImplementedError, struct.error) as error:
        # What grpclib raises for a broken body, a frame cut short, and a compressed one.
        raise unreadable(name, error) from error
    if request is None:
        raise Invalid(f"{name}: the request ended before its message")
    return request


class Mapped:
    """What grpclib wants to be handed: an object with a mapping."""

    def __init__(self, mapping: dict[str, Handler]) -> None:
        self._mapping = mapping

    def __mapping__(self) -> dict[str, Handler]:
        return self._mapping


async def end(server: Server) -> None:
    """Close a server; a connection that is kept open is not waited for long."""
    server.close()
    try:
        await asyncio.wait_for(server.wait_closed(), 2)
    except asyncio.TimeoutError:
        LOG.debug("a client kept its connection open while the server stopped")


def _worth_saying(record: logging.LogRecord) -> bool:
    """Drop grpclib's tracebacks of calls whose caller is gone: containers end, clients leave."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, StreamTerminatedError)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: asyncio turns Nagle off (40 ms a call) only for sockets that say TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Invalid(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener

"""
One port for all names, over plain HTTP and over TLS.

The first byte that a client sends says which of the two it speaks: 0x16 begins a handshake of TLS,
and no request of HTTP. Whom it means is said by the host that it asks for.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

__all__ = ["ByName"]

HANDSHAKE = b"\x16"


class ByName:
    """Takes connections from a listening socket and gives them to a server."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        context: Callable[[], ssl.SSLContext],
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._make_context = context
        self._context: ssl.SSLContext | None = None
        self._loop = asyncio.get_running_loop()
        self._silent: set[socket.socket] = set()
        self._starting: set[asyncio.Task[object]] = set()
        self._loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Take no more, and let go of those that said nothing yet."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for connection in tuple(self._silent):
            self._forget(connection)
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it may be gone again
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self._silent.add(connection)
            self._loop.add_reader(connection, self._look, connection)

    def _look(self, connection: socket.socket) -> None:
        self._forget(connection)
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except OSError:
            first = b""
        if not first:
            connection.close()
            return
        starting: asyncio.Task[object] = self._loop.create_task(self._start(connection, first))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    async def _start(self, connection: socket.socket, first: bytes) -> None:
        context = None
        if first == HANDSHAKE:
            context = self._context = self._context or self._make_context()
        with suppress(OSError):  # a client that does not trust us, or is gone
            await self._loop.connect_accepted_socket(self._protocol, connection, ssl=context)

    def _forget(self, connection: socket.socket) -> None:
        self._loop.remove_reader(connection)
        self._silent.discard(connection)

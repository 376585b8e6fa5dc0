"""
Ports on loopback: one for each address, from the moment it is given until its World ends, and one
for all of them by name where names are what clients are given.

A name gets the port that it had before, as long as nobody else has taken it meanwhile.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

from modal_emulator.store.web_addresses import DOMAIN, EVERY
from modal_emulator.web.authority import Authority
from modal_emulator.web.edge_by_name import ByName

__all__ = ["EdgePorts"]

BACKLOG = 1024
READ_AHEAD = 256 << 10
KEEP_ALIVE = 75.0
LONGEST_LINE = 64 << 10  # as long as the SDK's own proxy of web servers takes

Serving = ByName | asyncio.Task[asyncio.Server]
Answer = Callable[[str, web.BaseRequest], Awaitable[web.StreamResponse]]

# aiohttp tells of each connection that breaks; that is the client's affair, or the app's.
LOG = logging.getLogger("modal_emulator.edge")


class EdgePorts:
    """Listens."""

    def __init__(self, answer: Answer, authority: Authority) -> None:
        self._answer = answer
        self._authority = authority
        self._host = "127.0.0.1"
        self._listening: dict[str, tuple[int, Serving, web.Server]] = {}
        self._had: dict[str, int] = {}

    def listen_on(self, host: str) -> None:
        """Take ports of this address from now on."""
        self._host = "127.0.0.1" if host == "localhost" else host

    def origin(self, port: int) -> str:
        """Return the base of the URLs at a port."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"

    def take(self, subdomain: str, wished: int) -> int:
        """Listen for this name, on the wished port if it is free; return which one it is."""
        if subdomain in self._listening:
            return self._listening[subdomain][0]
        listener = self._bind(self._had.get(subdomain, 0) or wished)
        port = int(listener.getsockname()[1])
        self._had[subdomain] = port

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._answer(subdomain, request)

        server = web.Server(
            handle,
            handler_cancellation=True,
            access_log=None,
            logger=LOG,
            keepalive_timeout=KEEP_ALIVE,
            read_bufsize=READ_AHEAD,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
        )
        if subdomain == EVERY:
            serving: Serving = ByName(listener, server, self._context)
        else:
            loop = asyncio.get_running_loop()
            serving = loop.create_task(loop.create_server(server, sock=listener, backlog=BACKLOG))
        self._listening[subdomain] = (port, serving, server)
        return port

    async def close(self) -> None:
        """Let go of all ports, and of whoever is connected."""
        listening, self._listening = self._listening, {}
        for _, serving, server in listening.values():
            (serving if isinstance(serving, ByName) else await serving).close()
            await server.shutdown(0.01)  # with 0 it would wait for ever

    def _context(self) -> ssl.SSLContext:
        return self._authority.server_context(f"*.{DOMAIN}", alpn=("http/1.1",))

    def _bind(self, wished: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        for port in (wished, 0):
            # With the protocol named: asyncio turns Nagle off only for sockets that say TCP.
            listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            try:
                listener.bind((self._host, port))
                listener.listen(BACKLOG)
            except OSError:
                listener.close()
                if not port:
                    raise
            else:
                return listener
        raise AssertionError  # the second port is any

"""
Asking web functions over HTTP and WebSockets.

As any client does, by the address that the SDK gives and nothing else.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

__all__ = ["Answer", "ask", "asking", "talk"]

PATIENCE = 60.0
Result = TypeVar("Result")


class Answer:
    """What came back."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def __repr__(self) -> str:
        return f"<{self.status}: {self.body[:200]!r}>"

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON says it."""
        return json.loads(self.body)


def ask(
    url: str | None,
    path: str = "/",
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request and return the whole answer."""
    with asking(url, path, method=method, body=body, headers=headers) as response:
        return Answer(response)


@contextmanager
def asking(
    url: str | None,
    path: str = "/",
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[HTTPResponse]:
    """Send a request, give the answer as it begins, and close the connection after the block."""
    assert url, "it has no address"
    where = urlsplit(url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    connection = kind(where.netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, body, dict(headers or {}))
        yield connection.getresponse()
    finally:
        connection.close()


def talk(url: str | None, conversation: Callable[[Any], Awaitable[Result]]) -> Result:
    """Open a WebSocket, have a conversation, and close it."""
    assert url, "it has no address"
    address = url

    async def talking() -> Result:
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            return await conversation(socket)

    return asyncio.run(asyncio.wait_for(talking(), PATIENCE))

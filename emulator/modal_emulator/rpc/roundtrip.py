"""
A round trip on the connection of a call, by HTTP/2's ping.

A peer answers a ping where it reads from the connection. So when the answer is there, the peer has
been given all that was written before, and what it wrote until then has come. grpclib sends pings
to keep a connection alive and tells nobody of the answers; they are listened to here.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from grpclib.protocol import Connection
from grpclib.server import Stream

__all__ = ["round_trip"]

_EIGHT_BYTES = b"modal-em"  # which ones means nothing: answers come in the order of the pings


async def round_trip(stream: Stream[Any, Any]) -> None:
    """Return when the peer at the other end of a call's connection has answered."""
    connection: Connection = stream._stream.connection
    answered = asyncio.get_running_loop().create_future()
    _answers(connection).awaited.append(answered)
    connection._connection.ping(_EIGHT_BYTES)
    connection.flush()
    await answered


class _Answers:
    """Hears of the answers on one connection, in grpclib's place."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self.awaited: deque[asyncio.Future[None]] = deque()

    def __call__(self) -> None:
        self._heard()
        if self.awaited and not (oldest := self.awaited.popleft()).done():
            oldest.set_result(None)


def _answers(connection: Connection) -> _Answers:
    found = connection.ping_ack_process
    if not isinstance(found, _Answers):
        found = _Answers(found)
        connection.ping_ack_process = found  # type: ignore[method-assign]
    return found

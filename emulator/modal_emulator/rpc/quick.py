"""
A call of one message and one reply over a `Link`: answered where it stands, with no stream.

`Quick` is grpclib's own stream, with its events, deadline and statuses; only its sending is
another one. A caller that does not send its message first of all gets a stream as always.
"""

import struct
from typing import Any

from grpclib.client import Stream
from grpclib.encoding.base import GRPC_CONTENT_TYPE
from grpclib.metadata import encode_metadata

from modal_emulator.rpc.links import Answer, Headers, Link

__all__ = ["Quick"]


class Quick(Stream[Any, Any]):
    """A stream of grpclib's client on a channel that has a `Link`; it has no fields of its own."""

    async def send_message(self, message: Any, *, end: bool = False) -> None:
        """Send the message, and wait until it has been answered."""
        if self._send_request_done:
            return await super().send_message(message, end=end)
        with self._wrapper:
            link: Any = await self._channel.__connect__()
            if isinstance(link, Link):
                return await self._ask(link, message, end)
        return await super().send_message(message, end=end)

    async def _ask(self, link: Link, message: Any, end: bool) -> None:
        (metadata,) = await self._dispatch.send_request(
            self._metadata,
            method_name=self._method_name,
            deadline=self._deadline,
            content_type=GRPC_CONTENT_TYPE,
        )
        sent = {key: value for key, value in encode_metadata(metadata) if not key.endswith("-bin")}
        (message,) = await self._dispatch.send_message(message)
        request = self._codec.encode(message, self._send_type)
        answered = _Answered(link)
        self._stream: Any = answered
        self._release_stream = _nothing
        self._send_request_done = True
        link.waiting.add(self._wrapper)
        try:
            answered.take(await link.server.answer_one(self._method_name, sent, request))
        finally:
            link.waiting.discard(self._wrapper)
        self._send_message_done = True
        self._messages_sent += 1
        link.messages_sent += 1
        self._end_done = end


class _Answered:
    """What stands where the client looks for its HTTP/2 stream, with everything there at once."""

    closable = False
    headers: Headers | None = None
    trailers: Headers | None = None

    def __init__(self, link: Link) -> None:
        self.connection = self._transport = link
        self._data: list[bytes] = []

    def take(self, answer: Answer) -> None:
        self.headers, reply, self.trailers = answer
        if reply is not None:
            self._data = [struct.pack(">BI", 0, len(reply)), reply]

    async def recv_headers(self) -> Headers | None:
        return self.headers

    async def recv_data(self, _size: int) -> bytes:
        return self._data.pop(0) if self._data else b""

    async def recv_trailers(self) -> Headers | None:
        return self.trailers

    async def reset(self) -> None:
        """Nothing is left that could be broken off."""


def _nothing() -> None:
    pass

"""Requests to web functions as calls, without anything of HTTP."""

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from modal_proto import api_pb2

from modal_emulator.emulator import Running
from modal_emulator.schedule.calls import FunctionCall

__all__ = ["Answer", "Request", "http", "websocket"]

ASGI = api_pb2.DATA_FORMAT_ASGI


@dataclass
class Answer:
    """What came of a request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Request:
    """One call of a web function."""

    def __init__(
        self, emulator: Running, function_id: str, scope: dict[str, Any], method: str = ""
    ) -> None:
        self._emulator = emulator
        self._seen = 0

        def opening(world: Any) -> FunctionCall:
            world.dispatcher.pool(function_id)
            call = world.calls.open(function_id, api_pb2.FUNCTION_CALL_INVOCATION_TYPE_SYNC)
            sent = api_pb2.FunctionInput(
                args=pickle.dumps(((scope,), {})),
                data_format=api_pb2.DATA_FORMAT_PICKLE,
                method_name=method,
            )
            world.dispatcher.submit(call, 0, sent.SerializeToString())
            return call

        self.call = emulator.ask(opening)

    def give(self, *messages: dict[str, Any]) -> "Request":
        """Send messages to the app."""
        from modal._serialization import serialize_data_format

        def giving(world: Any) -> None:
            first = len(self.call.given) + 1
            chunks = [
                api_pb2.DataChunk(
                    data_format=ASGI, data=serialize_data_format(message, ASGI), index=index
                ).SerializeToString()
                for index, message in enumerate(messages, first)
            ]
            world.calls.give(self.call, chunks)

        self._emulator.ask(giving)
        return self

    def next(self) -> dict[str, Any] | None:
        """Return the next message of the app, None when no more will come."""

        async def following() -> bytes | None:
            while len(self.call.produced) <= self._seen:
                if not self.call.unfinished:
                    return None
                await self.call.pulse.wait(60)
            return self.call.produced[self._seen]

        found = self._emulator.run(following())
        self._seen += 1
        return None if found is None else _message(found)

    def outcome(self) -> Any:
        """Return the GenericResult of the call."""

        async def ended() -> bytes:
            while self.call.unfinished:
                await self.call.pulse.wait(60)
            outcome = self.call.inputs[0].outcome
            assert outcome is not None
            return outcome.result

        return api_pb2.GenericResult.FromString(self._emulator.run(ended()))

    def answer(self) -> Answer:
        """Return the whole answer."""
        start = self.next()
        assert start is not None, self.outcome()
        body = b""
        while (message := self.next()) is not None:
            body += message.get("body", b"")
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, body)


def http(
    emulator: Running,
    function_id: str,
    path: str = "/",
    *,
    method: str = "GET",
    query: bytes = b"",
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes | None = b"",
    of: str = "",
) -> Request:
    """Send a request whole; without a body, its beginning only."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": query,
        "headers": [(b"host", b"test"), *headers],
        "client": ("127.0.0.1", 4321),
    }
    request = Request(emulator, function_id, scope, of)
    if body is not None:
        request.give({"type": "http.request", "body": body, "more_body": False})
    return request


def websocket(emulator: Running, function_id: str, path: str = "/") -> Request:
    """Open a WebSocket."""
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"test")],
        "client": ("127.0.0.1", 4321),
        "subprotocols": [],
    }
    return Request(emulator, function_id, scope).give({"type": "websocket.connect"})


def _message(chunk: bytes) -> dict[str, Any]:
    from modal._serialization import deserialize_data_format

    read = api_pb2.DataChunk.FromString(chunk)
    message: dict[str, Any] = deserialize_data_format(read.data, read.data_format, None)
    return message

"""
Messages of ASGI as they go to containers and come back: the dictionaries of its specification here,
Modal's protobuf there. What each means is known to `web/edge`.
"""

import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from modal_proto import api_pb2

from modal_emulator.rpc.compat import known
from modal_emulator.rpc.web_parameters import asked_variant
from modal_emulator.world import World

__all__ = ["AsgiMessages"]

Message = Mapping[str, Any]
Asgi = api_pb2.Asgi


class AsgiMessages:
    """Translates."""

    invocation: int = api_pb2.FUNCTION_CALL_INVOCATION_TYPE_SYNC
    """How a web function is called; how Modal's edge calls it is not seen [guess]."""

    def variant(self, world: World, function_id: str, query: str) -> str:
        """Return the variant of a class that a query asks for; see `web_parameters`."""
        return asked_variant(world, function_id, query)

    def payload(self, scope: Message, method: str) -> bytes:
        """
        Return the input that begins with this scope, for a method of a class if one is named.

        The scope is the one argument, pickled as those of any call ([sdk] SDKs of every age read it
        so); what is in it is what the SDK makes of an `Asgi.Http`, hence no `raw_path`.
        """
        told = {**scope, **_TRAILERS} if scope["type"] == "http" else dict(scope)
        return known(
            api_pb2.FunctionInput,
            args=pickle.dumps(((told,), {}), protocol=4),
            data_format=api_pb2.DATA_FORMAT_PICKLE,
            method_name=method,
        ).SerializeToString()

    def given(self, message: Message, index: int) -> bytes:
        """Return a message to the app as the chunk with this number, from 1 on."""
        asgi = _TO_APP[message["type"]](message)
        return api_pb2.DataChunk(
            data_format=api_pb2.DATA_FORMAT_ASGI, data=asgi.SerializeToString(), index=index
        ).SerializeToString()

    def produced(self, chunk: bytes) -> tuple[Message, str]:
        """Return the app's message in a chunk, or the id of the blob that holds it."""
        read = api_pb2.DataChunk.FromString(chunk)
        if read.data_blob_id:
            return {}, read.data_blob_id
        return self.read(read.data), ""

    def read(self, data: bytes) -> Message:
        """Return the app's message in these bytes; one that is not known is empty."""
        asgi = Asgi.FromString(data)
        name = asgi.WhichOneof("type")
        return _FROM_APP[name](getattr(asgi, name)) if name in _FROM_APP else {}

    def was_killed(self, result: bytes) -> bool:
        """Say whether a result tells of a container that was ended by a signal."""
        return api_pb2.GenericResult.FromString(result).exitcode > 128


def _pairs(flat: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    parts = list(flat)
    return list(zip(parts[::2], parts[1::2], strict=False))


_TRAILERS: Message = {"extensions": {"http.response.trailers": {}}}


_TO_APP: dict[str, Callable[[Message], Any]] = {
    "http.request": lambda m: Asgi(
        http_request=Asgi.HttpRequest(body=m["body"], more_body=m["more_body"])
    ),
    "http.disconnect": lambda _: Asgi(http_disconnect=Asgi.HttpDisconnect()),
    "websocket.connect": lambda _: Asgi(websocket_connect=Asgi.WebsocketConnect()),
    "websocket.receive": lambda m: Asgi(
        websocket_receive=Asgi.WebsocketReceive(**{k: m[k] for k in ("bytes", "text") if k in m})
    ),
    "websocket.disconnect": lambda m: Asgi(
        websocket_disconnect=Asgi.WebsocketDisconnect(code=m["code"])
    ),
}
_FROM_APP: dict[str, Callable[[Any], Message]] = {
    "http_response_start": lambda m: {
        "type": "http.response.start",
        "status": m.status,
        "headers": _pairs(m.headers),
        "trailers": m.trailers,
    },
    "http_response_body": lambda m: {
        "type": "http.response.body",
        "body": m.body,
        "more_body": m.more_body,
    },
    "http_response_trailers": lambda m: {
        "type": "http.response.trailers",
        "headers": _pairs(m.headers),
        "more_trailers": m.more_trailers,
    },
    "websocket_accept": lambda m: {
        "type": "websocket.accept",
        "subprotocol": m.subprotocol if m.HasField("subprotocol") else None,
        "headers": _pairs(m.headers),
    },
    "websocket_send": lambda m: {
        "type": "websocket.send",
        "bytes": m.bytes if m.HasField("bytes") else None,
        "text": m.text if m.HasField("text") else None,
    },
    "websocket_close": lambda m: {
        "type": "websocket.close",
        "code": m.code if m.HasField("code") else 1000,
        "reason": m.reason,
    },
}

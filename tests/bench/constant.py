"""
The peer of the RPC benchmarks: a grpclib server that always gives the same answers.

What it costs to call is the price of the SDK, grpclib and the kernel; what the emulator costs
above that is the emulator's own.
"""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream
from modal_proto import api_pb2

__all__ = ["auth_token", "constant_server"]

FAR_FUTURE = 4_000_000_000


def auth_token() -> str:
    parts = ({"alg": "none"}, {"exp": FAR_FUTURE}, {})
    return ".".join(base64.b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)


def _listing(count: int) -> api_pb2.VolumeListResponse:
    return api_pb2.VolumeListResponse(
        items=[
            api_pb2.VolumeListItem(
                label=f"volume-{n}",
                volume_id=f"vo-{n:022}",
                created_at=1_700_000_000.0 + n,
                metadata=api_pb2.VolumeMetadata(name=f"volume-{n}"),
            )
            for n in range(count)
        ]
    )


class _Constant:
    """What grpclib wants to be handed: an object with a mapping."""

    def __init__(self, replies: dict[str, tuple[type[Message], Message]]) -> None:
        self._replies = replies

    def __mapping__(self) -> dict[str, Handler]:
        return {
            f"/modal.client.ModalClient/{name}": self._handler(request, reply)
            for name, (request, reply) in self._replies.items()
        }

    def _handler(self, request: type[Message], reply: Message) -> Handler:
        async def answer(stream: Stream[Any, Any]) -> None:
            await stream.recv_message()
            await stream.send_message(reply)

        return Handler(answer, Cardinality.UNARY_UNARY, request, type(reply))


@contextmanager
def constant_server(volumes: int) -> Iterator[str]:
    """Serve a constant listing of so many volumes from a thread of this process; yield the URL."""
    service = _Constant(
        {
            "AuthTokenGet": (
                api_pb2.AuthTokenGetRequest,
                api_pb2.AuthTokenGetResponse(token=auth_token()),
            ),
            "ClientHello": (Empty, api_pb2.ClientHelloResponse()),
            "VolumeList": (api_pb2.VolumeListRequest, _listing(volumes)),
        }
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[Server, int]:
        server = Server([service])
        await server.start("127.0.0.1", 0)
        assert server._server is not None
        return server, server._server.sockets[0].getsockname()[1]

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(server.wait_closed(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

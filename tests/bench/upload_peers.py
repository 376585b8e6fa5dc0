"""
The peers of the upload benchmarks: servers that do as little with what is sent as can be done.

Both stand as the emulator stands, grpclib and aiohttp on one event loop in a thread of the same
process. `discarding` says yes to everything and throws the bytes away: what is above it is ours.
`remembering` keeps each body in a dict and gives it back, with `await request.read()` and without
looking at a digest: it stands for the mock of Modal's own test suite, which no release contains.
"""

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from aiohttp import web
from constant import auth_token
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream
from modal_proto import api_pb2

__all__ = ["discarding", "remembering"]

BLOCK = 8 * 2**20
SERVICE = api_pb2.DESCRIPTOR.services_by_name["ModalClient"]
Answer = Callable[[Any], Message]


class _Peer:
    """What both have in common: the answers, given where bodies are to go."""

    def __init__(self) -> None:
        self.site = ""
        self.brought: set[str] = set()

    def answers(self) -> dict[str, Answer]:
        """Return the answer to each RPC that an upload or a download makes."""
        return {
            "AuthTokenGet": lambda asked: api_pb2.AuthTokenGetResponse(token=auth_token()),
            "ClientHello": lambda asked: api_pb2.ClientHelloResponse(),
            "VolumeGetOrCreate": self.volume,
            "VolumePutFiles": lambda asked: Empty(),
            "VolumePutFiles2": self.put_blocks,
            "VolumeGetFile2": self.get,
            "MountPutFile": self.put_content,
            "BlobCreate": self.blob,
        }

    def volume(self, asked: api_pb2.VolumeGetOrCreateRequest) -> Message:
        return api_pb2.VolumeGetOrCreateResponse(
            volume_id="vo-peer",
            version=asked.version,
            metadata=api_pb2.VolumeMetadata(version=asked.version, name="peer"),
        )

    def put_blocks(self, asked: api_pb2.VolumePutFiles2Request) -> Message:
        missing = [
            api_pb2.VolumePutFiles2Response.MissingBlock(
                file_index=index, block_index=number, put_url=f"{self.site}/blocks/{key}"
            )
            for index, file in enumerate(asked.files)
            for number, block in enumerate(file.blocks)
            if (key := block.contents_sha256.hex()) not in self.brought
        ]
        return api_pb2.VolumePutFiles2Response(missing_blocks=missing)

    def put_content(self, asked: api_pb2.MountPutFileRequest) -> Message:
        if asked.WhichOneof("data_oneof"):
            self.keep(asked.sha256_hex, asked.data)  # or none, if the bytes came as a blob
        return api_pb2.MountPutFileResponse(exists=asked.sha256_hex in self.brought)

    def blob(self, asked: api_pb2.BlobCreateRequest) -> Message:
        md5 = base64.b64decode(asked.content_md5).hex()
        url = f"{self.site}/blobs/{md5}"
        return api_pb2.BlobCreateResponse(
            blob_ids=["bl-peer"], upload_urls=api_pb2.UploadUrlList(items=[url])
        )

    def get(self, asked: api_pb2.VolumeGetFile2Request) -> Message:
        raise NotImplementedError

    def keep(self, key: str, data: bytes) -> None:
        self.brought.add(key)

    async def take(self, request: web.Request) -> None:
        raise NotImplementedError

    def give(self, request: web.Request) -> bytes:
        raise NotImplementedError


class _Discarding(_Peer):
    async def take(self, request: web.Request) -> None:
        async for _ in request.content.iter_any():
            pass
        self.brought.add(request.match_info["key"])


class _Remembering(_Peer):
    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, bytes] = {}
        self._files: dict[str, tuple[int, list[str]]] = {}

    def keep(self, key: str, data: bytes) -> None:
        super().keep(key, data)
        self._kept[key] = data

    def put_blocks(self, asked: api_pb2.VolumePutFiles2Request) -> Message:
        for file in asked.files:
            keys = [block.contents_sha256.hex() for block in file.blocks]
            self._files[file.path] = file.size, keys
        return super().put_blocks(asked)

    def get(self, asked: api_pb2.VolumeGetFile2Request) -> Message:
        size, keys = self._files[asked.path]
        urls = [f"{self.site}/blocks/{key}" for key in keys]
        return api_pb2.VolumeGetFile2Response(get_urls=urls, size=size, start=0, len=size)

    async def take(self, request: web.Request) -> None:
        self.keep(request.match_info["key"], await request.read())

    def give(self, request: web.Request) -> bytes:
        return self._kept[request.match_info["key"]]


def _handler(name: str, answer: Answer) -> Handler:
    method = SERVICE.methods_by_name[name]
    request = getattr(api_pb2, method.input_type.name, Empty)
    reply = getattr(api_pb2, method.output_type.name, Empty)

    async def handle(stream: Stream[Any, Any]) -> None:
        await stream.send_message(answer(await stream.recv_message()))

    return Handler(handle, Cardinality.UNARY_UNARY, request, reply)


class _Service:
    def __init__(self, peer: _Peer) -> None:
        self._peer = peer

    def __mapping__(self) -> dict[str, Handler]:
        return {
            f"/{SERVICE.full_name}/{name}": _handler(name, answer)
            for name, answer in self._peer.answers().items()
        }


def _site(peer: _Peer) -> web.Application:
    async def put(request: web.Request) -> web.StreamResponse:
        await peer.take(request)
        # The SDK compares the MD5 of a blob with what it sent: it gets back what it announced.
        return web.Response(headers={"ETag": f'"{request.match_info["key"]}"'})

    async def get(request: web.Request) -> web.StreamResponse:
        return web.Response(body=peer.give(request))

    app = web.Application(client_max_size=2**40)
    for path in ("/blocks/{key}", "/blobs/{key}"):
        app.add_routes([web.put(path, put), web.get(path, get)])
    return app


async def _start(peer: _Peer) -> tuple[str, Callable[[], Awaitable[None]]]:
    runner = web.AppRunner(_site(peer), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    peer.site = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server = Server([_Service(peer)])
    await server.start("127.0.0.1", 0)
    assert server._server is not None

    async def stop() -> None:
        server.close()
        await server.wait_closed()
        await runner.cleanup()

    return f"http://127.0.0.1:{server._server.sockets[0].getsockname()[1]}", stop


@contextmanager
def _serving(peer: _Peer) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    url, stop = run(_start(peer))
    try:
        yield url
    finally:
        run(stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def discarding() -> AbstractContextManager[str]:
    """Serve uploads and throw them away; yield the URL."""
    return _serving(_Discarding())


def remembering() -> AbstractContextManager[str]:
    """Serve uploads and downloads from memory; yield the URL."""
    return _serving(_Remembering())

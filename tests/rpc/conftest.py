"""Two ways to the server of a test: RPCs by name, and Modal's own command."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpclib import GRPCError
from grpclib.client import Channel, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.encoding.proto import ProtoCodec
from modal_proto import api_pb2

SERVICE = api_pb2.DESCRIPTOR.services_by_name["ModalClient"]


class Raw(ProtoCodec):
    """Sends bytes as they are, where they are given in place of a message."""

    def encode(self, message: Any, message_type: Any) -> bytes:
        return message if isinstance(message, bytes) else super().encode(message, message_type)


@dataclass
class Rpcs:
    """Calls RPCs as any client could, also such as no SDK would send."""

    environment: dict[str, str]
    host: str | None = None
    """In place of the server's own name for itself."""

    @property
    def by_wire(self) -> "Rpcs":
        """The same by the network: what is sent in memory is sent to the server's own name."""
        return Rpcs(self.environment, "localhost")

    def __call__(self, name: str, request: Message) -> Any:
        """Return the reply, or the list of replies of a stream; GRPCError as it comes."""
        return self.all([(name, request)])[0]

    def all(self, calls: list[tuple[str, Message]]) -> list[Any]:
        """Make several calls one after another on one connection."""

        async def calling() -> list[Any]:
            async with self._channel() as channel:
                return [await self._call(channel, name, request) for name, request in calls]

        return asyncio.run(asyncio.wait_for(calling(), 120))

    def error(self, name: str, request: Message) -> tuple[str, str]:
        """Return name of the status and message of the error that the call must end in."""
        with pytest.raises(GRPCError) as caught:
            self(name, request)
        return caught.value.status.name, caught.value.message or ""

    def outcomes(self, calls: list[tuple[str, Any]]) -> list[tuple[str, str]]:
        """Make calls whatever they end in; return name of the status and message of each."""

        async def calling() -> list[tuple[str, str]]:
            ended = []
            async with self._channel() as channel:
                for name, request in calls:
                    try:
                        await self._call(channel, name, request)
                    except GRPCError as error:
                        ended.append((error.status.name, error.message or ""))
                    else:
                        ended.append(("OK", ""))
            return ended

        return asyncio.run(asyncio.wait_for(calling(), 120))

    def frame(self, name: str, data: bytes) -> tuple[str, str]:
        """Send bytes in place of a message and its length; return what the call ended in."""

        async def sending() -> tuple[str, str]:
            method = SERVICE.methods_by_name[name]
            async with self._channel() as channel:
                shapes = map(GetMessageClass, (method.input_type, method.output_type))
                call = UnaryUnaryMethod(channel, f"/{SERVICE.full_name}/{name}", *shapes)
                with pytest.raises(GRPCError) as caught:
                    async with call.open(metadata=self._token) as stream:
                        await stream.send_request()
                        await stream._stream.send_data(data, end_stream=True)
                        stream._send_message_done = stream._end_done = True
                        await stream.recv_message()
                return caught.value.status.name, caught.value.message or ""

        return asyncio.run(asyncio.wait_for(sending(), 120))

    def http(self, work: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Any]]) -> Any:
        """Do something with an HTTP client."""

        async def working() -> Any:
            async with aiohttp.ClientSession() as session:
                return await work(session)

        return asyncio.run(asyncio.wait_for(working(), 120))

    def get(self, url: str) -> bytes:
        """Fetch a body."""

        async def work(session: aiohttp.ClientSession) -> bytes:
            async with session.get(url) as response:
                assert response.status == 200, await response.text()
                return await response.read()

        return self.http(work)

    def put(self, url: str, data: bytes) -> tuple[int, bytes]:
        """Bring a body; return status and answer."""

        async def work(session: aiohttp.ClientSession) -> tuple[int, bytes]:
            async with session.put(url, data=data) as response:
                return response.status, await response.read()

        return self.http(work)

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[Channel]:
        where = urlsplit(self.environment["MODAL_SERVER_URL"])
        channel = Channel(self.host or where.hostname, where.port, codec=Raw())
        try:
            yield channel
        finally:
            channel.close()

    async def _call(self, channel: Channel, name: str, request: Message) -> Any:
        method = SERVICE.methods_by_name[name]
        shape = UnaryStreamMethod if method.server_streaming else UnaryUnaryMethod
        call = shape(
            channel,
            f"/{SERVICE.full_name}/{name}",
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
        )
        return await call(request, metadata=self._token)

    @property
    def _token(self) -> dict[str, str]:
        return {
            "x-modal-token-id": self.environment["MODAL_TOKEN_ID"],
            "x-modal-token-secret": self.environment["MODAL_TOKEN_SECRET"],
        }


@pytest.fixture
def rpc(modal_emulator) -> Rpcs:
    return Rpcs(modal_emulator.environment)


@dataclass
class Finished:
    """What a command left: its exit code and all it printed."""

    code: int
    text: str


@pytest.fixture(scope="session")
def modal_forks() -> Iterator[subprocess.Popen[str]]:
    """A process that has imported Modal's command."""
    forks = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("forks.py"))],
        env={**os.environ, "MODAL_CONFIG_PATH": os.devnull},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with forks:
        yield forks
        assert forks.stdin is not None
        forks.stdin.close()


@pytest.fixture
def modal_command(modal_emulator, modal_forks, tmp_path) -> Callable[..., Finished]:
    """Run Modal's own command in a process of its own, with no terminal."""

    def run(*arguments: str, fails: bool = False) -> Finished:
        output = tmp_path / ".output"
        job = {
            "arguments": arguments,
            "environment": {**os.environ, "COLUMNS": "200", "TERM": "dumb"},
            "directory": str(tmp_path),
            "output": str(output),
        }
        modal_forks.stdin.write(json.dumps(job) + "\n")
        modal_forks.stdin.flush()
        done = Finished(int(modal_forks.stdout.readline()), output.read_text())
        assert (done.code != 0) is fails, done.text
        return done

    return run

"""
A running emulator as commands reach it: by the variables that lead `modal` there.

It speaks to servers on this machine only and asks for `Hello` first, so it never reaches Modal,
whatever the environment says.
"""

import asyncio
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.parse import urlsplit

from google.protobuf.wrappers_pb2 import StringValue
from grpclib import GRPCError, Status
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.exceptions import StreamTerminatedError

from modal_emulator.ground.errors import Code, Conflict, EmulatorError, Invalid
from modal_emulator.rpc.service import SERVICE
from modal_emulator.rpc.status import STATUS

__all__ = ["Remote"]

BATCH = 1 << 19
_CHUNKED = {"Transfer-Encoding": "chunked", "Content-Type": "application/x-tar"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SECONDS = 60.0  # to answer; archives take as long as they take
CODES = {status: code for code, status in STATUS.items()}
NOT_OURS = (Status.UNIMPLEMENTED, Status.UNKNOWN)


class Failed(EmulatorError):
    """What a server answered instead of what it was asked for."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.code = code


class Remote:
    """One running emulator."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        url = environment.get("MODAL_SERVER_URL", "")
        if not url:
            raise Invalid(
                "MODAL_SERVER_URL is not set. Set the variables that `modal-emulator serve` "
                "prints, run this under `modal-emulator exec`, or give --state-dir."
            )
        where = urlsplit(url)
        if where.scheme != "http" or where.hostname not in LOOPBACK or where.port is None:
            raise Invalid(
                f"MODAL_SERVER_URL is {url!r}, which is no emulator on this machine: "
                "they are at http://127.0.0.1:PORT."
            )
        self._url = url
        self._host, self._port = where.hostname, where.port
        token = {
            "x-modal-token-id": environment.get("MODAL_TOKEN_ID", ""),
            "x-modal-token-secret": environment.get("MODAL_TOKEN_SECRET", ""),
        }
        self._headers = {name: value for name, value in token.items() if value}
        self._known = False

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    def ask(self, method: str, **asked: object) -> Any:
        """
        Return what the server answers.

        Raises:
            EmulatorError: it cannot be reached, is no emulator, or refuses.
        """
        return asyncio.run(asyncio.wait_for(self._ask(method, asked), SECONDS))

    def wait(self, method: str, **asked: object) -> Any:
        """
        Return what the server answers, however long that takes; interrupted, the server stops.

        Raises:
            EmulatorError: it cannot be reached, is no emulator, or refuses.
        """
        return asyncio.run(self._ask(method, asked))

    @contextmanager
    def fetch(self, url: str) -> "Iterator[_Body]":
        """Open what is behind a URL that the server gave."""
        with self._connection(url) as (connection, path):
            with self.telling():
                connection.request("GET", path)
                response = connection.getresponse()
                _check(response)
            yield _Body(self, response)

    def bring(self, url: str, body: IO[bytes]) -> Any:
        """Send bytes to a URL that the server gave; return what it answers."""
        with self._connection(url) as (connection, path), self.telling():
            # The server may refuse in the middle; its answer says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request("PUT", path, body, _CHUNKED, encode_chunked=True)
            response = connection.getresponse()
            _check(response)
            return json.loads(response.read())

    async def _ask(self, method: str, asked: Mapping[str, object]) -> Any:
        channel = Channel(self._host, self._port)
        try:
            if not self._known:
                await self._call(channel, "Hello", {})
                self._known = True
            return await self._call(channel, method, asked)
        except (OSError, StreamTerminatedError, asyncio.TimeoutError) as error:
            raise Conflict(f"No emulator answers at {self._url}: {error}") from error
        finally:
            channel.close()

    async def _call(self, channel: Channel, method: str, asked: Mapping[str, object]) -> Any:
        call = UnaryUnaryMethod(channel, f"/{SERVICE}/{method}", StringValue, StringValue)
        try:
            reply = await call(StringValue(value=json.dumps(asked)), metadata=self._headers)
        except GRPCError as error:
            if method == "Hello" and error.status in NOT_OURS:
                raise Conflict(
                    f"What answers at {self._url} is not a modal-emulator of this version."
                ) from error
            code = CODES.get(error.status, Code.INTERNAL)
            raise Failed(error.message or error.status.name, code) from error
        return json.loads(reply.value)

    @contextmanager
    def _connection(self, url: str) -> Iterator[tuple[http.client.HTTPConnection, str]]:
        where = urlsplit(url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, blocksize=BATCH)
        try:
            yield connection, where.path
        finally:
            connection.close()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Say in words what goes wrong on the way to the server."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise Conflict(f"The server at {self._url} broke off: {error!r}") from error


class _Body:
    """What a server sends; what goes wrong here is not mixed up with what the reader does."""

    def __init__(self, remote: Remote, response: http.client.HTTPResponse) -> None:
        self._remote = remote
        self._response = response

    def read(self, size: int, /) -> bytes:
        with self._remote.telling():
            return self._response.read(size)


def _check(response: http.client.HTTPResponse) -> None:
    if response.status != http.client.OK:
        raise Failed(response.read().decode(errors="replace").strip(), Code.INTERNAL)

"""
The router of commands: a service beside Modal's own, which newer SDKs run commands by.

On Modal each worker machine has one. Here it is one for all, on loopback, begun when somebody
first asks where it is. Clients of several kinds expect different things of its address: one port
speaks plain HTTP/2, another one TLS.
"""

import importlib
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream
from packaging.version import InvalidVersion, Version

from modal_emulator.ground.errors import Conflict, Invalid
from modal_emulator.ground.ids import Ids
from modal_emulator.rpc.front import failure
from modal_emulator.rpc.passes import Passes
from modal_emulator.rpc.routes import ROUTES
from modal_emulator.rpc.server import Mapped, end, listen
from modal_emulator.world import Certifier, World

__all__ = ["Router"]

_PYTHON = frozenset(("1", "2", "3"))  # client, worker, container; 7 to 9 are JS and Go
_FIRST_BY_TLS, _FIRST_PLAIN = Version("1.4"), Version("1.5.4")
"""
Before the first, SDKs verify certificates even here, and without access use the older protocol;
from the second on they take an address without TLS.
"""


class Router:
    """Listens on loopback."""

    def __init__(self, world: Callable[[], World], authority: Certifier) -> None:
        self._world = world
        self._passes = Passes(Ids().secret().encode())
        self._authority = authority
        self._servers: dict[bool, Server] = {}
        self._ports: dict[bool, int] = {}

    async def access(self, container_id: str, metadata: Mapping[str, str]) -> tuple[str, str]:
        """
        Return the address for this caller and a token for this container.

        Raises:
            Conflict: the caller's SDK is to use the older protocol.
        """
        url = await self._url(metadata)
        return url, self._passes.issue(container_id)

    async def stop(self) -> None:
        """Stop listening."""
        for server in self._servers.values():
            await end(server)
        self._servers.clear()

    async def _url(self, metadata: Mapping[str, str]) -> str:
        if metadata.get("x-modal-client-type") not in _PYTHON:
            # They want to read https, and then speak plainly to loopback (wire facts, point 7).
            return f"https://127.0.0.1:{await self._port(secure=False)}"
        try:
            version = Version(metadata.get("x-modal-client-version", ""))
        except InvalidVersion:
            version = _FIRST_PLAIN
        if version < _FIRST_BY_TLS:
            raise Conflict("command router access is not enabled for this version of modal")
        if version < _FIRST_PLAIN:
            return f"https://127.0.0.1:{await self._port(secure=True)}"
        return f"http://127.0.0.1:{await self._port(secure=False)}"

    async def _port(self, *, secure: bool) -> int:
        if secure not in self._servers:
            server = self._servers[secure] = Server([Mapped(self._handlers())])
            listener = listen("127.0.0.1", 0)
            await server.start(sock=listener, ssl=self._tls() if secure else None)
            self._ports[secure] = listener.getsockname()[1]
        return self._ports[secure]

    def _tls(self) -> ssl.SSLContext:
        return self._authority.server_context("127.0.0.1", alpn=("h2",))

    def _handlers(self) -> dict[str, Handler]:
        protocol = _protocol()
        service = protocol.DESCRIPTOR.services_by_name["TaskCommandRouter"]
        found = {}
        for method in service.methods:
            cardinality = {
                (False, False): Cardinality.UNARY_UNARY,
                (False, True): Cardinality.UNARY_STREAM,
                (True, False): Cardinality.STREAM_UNARY,
            }[method.client_streaming, method.server_streaming]
            found[f"/{service.full_name}/{method.name}"] = Handler(
                partial(self._answer, method.name, GetMessageClass(method.output_type)),
                cardinality,
                GetMessageClass(method.input_type),
                GetMessageClass(method.output_type),
            )
        return found

    async def _answer(self, name: str, reply: type[Message], stream: Stream[Any, Any]) -> None:
        try:
            request = await stream.recv_message()
            if request is None:
                raise Invalid(f"{name}: the request ended before its message")
            about = request.start if name == "TaskExecStdinWriteStream" else request
            texts = {k: v for k, v in (stream.metadata or {}).items() if isinstance(v, str)}
            self._passes.check(texts.get("authorization", ""), about.task_id)
            route = ROUTES.get(name)
            if route is None:
                raise GRPCError(
                    Status.UNIMPLEMENTED,
                    f"modal-emulator does not answer {name} yet; see docs/guide/sandboxes.md",
                )
            await route(self._world(), request, reply, stream)
        except GRPCError:
            raise
        except Exception as error:
            raise failure(name, error) from error


def _protocol() -> ModuleType:
    return importlib.import_module("modal_proto.task_command_router_pb2")

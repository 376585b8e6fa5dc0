"""
The wire front end: Modal's gRPC service over HTTP/2, on loopback TCP and on unix sockets.

It builds the service from the installed `modal_proto`, whatever its version, finds the handler in
the registry, checks who calls, and turns failures into status codes. A unix socket belongs to one
container, which is how the server knows which container is calling.
"""

import asyncio
import logging
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.wrappers_pb2 import StringValue
from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.exceptions import StreamTerminatedError
from grpclib.server import Server, Stream
from modal_proto import api_pb2

from modal_emulator.ground.clock import breathe
from modal_emulator.ground.errors import EmulatorError, Exhausted, Invalid
from modal_emulator.rpc import control
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.credentials import Credentials
from modal_emulator.rpc.registry import rpcs
from modal_emulator.rpc.status import to_grpc
from modal_emulator.rpc.versions import Versions
from modal_emulator.world import World

__all__ = ["PAGE", "Wire"]

PAGE = "docs/reference/support.md"
SERVICE = api_pb2.DESCRIPTOR.services_by_name["ModalClient"]
LOG = logging.getLogger("modal_emulator")
GrpcStream = Stream[Any, Any]


class Wire:
    """Listens for SDKs and answers from the world of the moment."""

    def __init__(self, world: Callable[[], World], credentials: Credentials, sockets: Path) -> None:
        self._world = world
        self._credentials = credentials
        self._sockets = sockets
        self._versions = Versions()
        logging.getLogger("grpclib.server").addFilter(_worth_saying)
        self._tcp: Server | None = None
        self._doors: dict[str, tuple[Server, Path]] = {}
        self._count = 0

    async def listen(self, host: str, port: int) -> int:
        """Listen on TCP for clients outside containers; return the port."""
        listener = _socket(host, port)
        self._tcp = Server([_Service({**self._mapping(None), **self._controls()})])
        await self._tcp.start(sock=listener)
        return int(listener.getsockname()[1])

    async def open(self, container_id: str) -> Path:
        """Listen on a unix socket for this container only; return its path."""
        self._count += 1
        path = self._sockets / str(self._count)
        server = Server([_Service(self._mapping(container_id))])
        await server.start(path=str(path))
        path.chmod(0o600)
        self._doors[container_id] = (server, path)
        return path

    def close(self, container_id: str) -> None:
        """Stop listening for this container."""
        server, path = self._doors.pop(container_id, (None, None))
        if server is not None and path is not None:
            server.close()
            path.unlink(missing_ok=True)

    async def stop(self) -> None:
        """Stop listening at all."""
        for container_id in tuple(self._doors):
            self.close(container_id)
        if self._tcp is not None:
            self._tcp.close()
            try:
                await asyncio.wait_for(self._tcp.wait_closed(), 2)
            except asyncio.TimeoutError:
                LOG.debug("a client kept its connection open while the server stopped")

    def _mapping(self, container_id: str | None) -> dict[str, Handler]:
        return {
            f"/{SERVICE.full_name}/{method.name}": self._handler(method, container_id)
            for method in SERVICE.methods
        }

    def _handler(self, method: MethodDescriptor, container_id: str | None) -> Handler:
        streams: bool = method.server_streaming
        takes: bool = method.client_streaming
        cardinality = {
            (False, False): Cardinality.UNARY_UNARY,
            (False, True): Cardinality.UNARY_STREAM,
            (True, False): Cardinality.STREAM_UNARY,
            (True, True): Cardinality.STREAM_STREAM,
        }[takes, streams]
        return Handler(
            partial(self._answer, method.name, container_id),
            cardinality,
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
        )

    async def _answer(self, name: str, container_id: str | None, stream: GrpcStream) -> None:
        metadata = _texts(stream)
        with _saying(name):
            if container_id is None:
                self._credentials.check(metadata)
            self._versions.see(metadata)
            rpc = rpcs().get(name)
            if rpc is None:
                raise GRPCError(Status.UNIMPLEMENTED, _not_built(name))
            call: Call[Any] = Call(await _request(name, stream), container_id, metadata)
            if rpc.streaming is not None:
                async for reply in rpc.streaming(self._world(), call):
                    await stream.send_message(reply)
                    await breathe()  # a long listing waits for nothing, and others should not wait
            elif rpc.unary is not None:
                await stream.send_message(await rpc.unary(self._world(), call))

    def _controls(self) -> dict[str, Handler]:
        """Return the service that is ours, for clients outside containers."""
        shape = (Cardinality.UNARY_UNARY, StringValue, StringValue)
        return {
            f"/{control.SERVICE}/{name}": Handler(partial(self._control, name), *shape)
            for name in control.METHODS
        }

    async def _control(self, name: str, stream: GrpcStream) -> None:
        with _saying(name):
            self._credentials.check(_texts(stream))
            request: Any = await _request(name, stream)
            reply = control.answer(self._world(), name, request.value)
            await stream.send_message(StringValue(value=reply))


@contextmanager
def _saying(name: str) -> Iterator[None]:
    """Turn a failure into a status."""
    try:
        yield
    except EmulatorError as error:
        raise to_grpc(error) from None
    except OSError as error:
        raise to_grpc(_disk(error, name)) from error
    except (GRPCError, asyncio.CancelledError):
        raise
    except Exception as error:
        LOG.exception("%s failed inside the emulator", name)
        # INTERNAL would be repeated by every SDK; this is a mistake of ours and stays one.
        raise GRPCError(
            Status.ABORTED,
            f"modal-emulator failed in {name}: {error!r}. This is a bug in the emulator.",
        ) from error


class _Service:
    """What grpclib wants to be handed: an object with a mapping."""

    def __init__(self, mapping: dict[str, Handler]) -> None:
        self._mapping = mapping

    def __mapping__(self) -> dict[str, Handler]:
        return self._mapping


def _texts(stream: GrpcStream) -> dict[str, str]:
    return {k: v for k, v in (stream.metadata or {}).items() if isinstance(v, str)}


async def _request(name: str, stream: GrpcStream) -> Message:
    """Return the message that was sent, or say what is wrong with it."""
    try:
        request: Message | None = await stream.recv_message()
    except (AssertionError, DecodeError, NotImplementedError, struct.error) as error:
        # What grpclib raises for a broken body, a frame cut short, and a compressed one.
        raise Invalid(f"{name}: the request cannot be read: {error}") from error
    if request is None:
        raise Invalid(f"{name}: the request ended before its message")
    return request


def _worth_saying(record: logging.LogRecord) -> bool:
    """Drop grpclib's tracebacks of calls whose caller is gone: containers end, clients leave."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, StreamTerminatedError)


def _not_built(name: str) -> str:
    return (
        f"modal-emulator does not answer {name} yet. "
        f"What it answers is listed in {PAGE}, and by `modal-emulator support`."
    )


def _disk(error: OSError, name: str) -> EmulatorError:
    return Exhausted(
        f"{name} could not be kept: {os.strerror(error.errno or 0)}. Nothing was changed."
    )


def _socket(host: str, port: int) -> Any:
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: asyncio turns Nagle off (40 ms a call) only for sockets that say TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Invalid(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener

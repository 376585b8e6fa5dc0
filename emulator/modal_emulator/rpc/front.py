"""
What answers a call, whichever way it came in.

It builds the service from the installed `modal_proto`, whatever its version, checks who calls,
finds the handler in the registry, and turns failures into status codes. It is fed by a wire
(`server`) or by an SDK in this process (`memory`), and knows neither.
"""

import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.wrappers_pb2 import StringValue
from grpclib import GRPCError, Status
from grpclib.const import Cardinality
from modal_proto import api_pb2

from modal_emulator.ground.clock import breathe, machine_time
from modal_emulator.ground.errors import EmulatorError, Exhausted, Invalid
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.rpc import control, service
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.credentials import Credentials
from modal_emulator.rpc.registry import rpcs
from modal_emulator.rpc.status import to_grpc
from modal_emulator.rpc.stepping import done
from modal_emulator.rpc.striking import struck
from modal_emulator.rpc.tables import Streaming
from modal_emulator.rpc.versions import Versions
from modal_emulator.runtime.telling import HEADER
from modal_emulator.schedule.faults import Dropped
from modal_emulator.world import World

__all__ = ["PAGE", "SERVICE", "Caller", "Front", "Method", "failure", "unreadable"]

PAGE = "docs/reference/support.md"
SERVICE = api_pb2.DESCRIPTOR.services_by_name["ModalClient"]
LOG = logging.getLogger("modal_emulator")

Read = Callable[[], Awaitable[Any]]
"""Returns the request, or raises `unreadable`."""
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    container_id: str | None
    """None for a client outside of containers."""
    metadata: Mapping[str, str]
    """Request headers by lower-cased name."""
    is_near: bool = False
    """Whether it is in this process; see `Call`."""
    where: tuple[str, ...] = ()
    """The lines of user code that call, where they were seen from this process."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its shape, and what answers it."""

    name: str
    cardinality: Cardinality
    request_type: Any
    reply_type: Any
    answer: Callable[[Caller, Read, Send], Awaitable[None]]
    """Raises GRPCError, or Dropped, and nothing else, unless it is cancelled."""


class Front:
    """Answers calls from the World of the moment."""

    def __init__(self, world: Callable[[], World], credentials: Credentials) -> None:
        self._world = world
        self._credentials = credentials
        self._versions = Versions()
        self.for_containers: Mapping[str, Method] = {
            f"/{SERVICE.full_name}/{method.name}": self._method(method)
            for method in SERVICE.methods
        }
        """By the path of the request."""
        self.for_clients: Mapping[str, Method] = {**self.for_containers, **self._controls()}
        """With the service that is ours."""

    def _method(self, method: MethodDescriptor) -> Method:
        streams: bool = method.server_streaming
        takes: bool = method.client_streaming
        return Method(
            method.name,
            {
                (False, False): Cardinality.UNARY_UNARY,
                (False, True): Cardinality.UNARY_STREAM,
                (True, False): Cardinality.STREAM_UNARY,
                (True, True): Cardinality.STREAM_STREAM,
            }[takes, streams],
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
            partial(self._answer, method.name),
        )

    def _controls(self) -> dict[str, Method]:
        shape = (Cardinality.UNARY_UNARY, StringValue, StringValue)
        return {
            f"/{service.SERVICE}/{name}": Method(name, *shape, partial(self._control, name))
            for name in control.METHODS
        }

    async def _answer(self, name: str, caller: Caller, read: Read, send: Send) -> None:
        try:
            self._admit(caller)
            self._versions.see(caller.metadata)
            rpc = rpcs().get(name)
            if rpc is None:
                raise GRPCError(Status.UNIMPLEMENTED, _not_built(name))
            call = self._call(caller, await read())
            if rpc.streaming is not None:
                stream = partial(self._stream, rpc.streaming, call, send)
                if not self._world().faults.at_rpcs:
                    await stream()
                else:
                    await struck(self._world(), name, call, stream)
            elif rpc.unary is not None:
                await send(await done(self._world(), name, rpc.unary, call))
        except (GRPCError, Dropped):
            raise
        except Exception as error:
            raise failure(name, error) from error

    async def _stream(self, streaming: Streaming, call: Call[Any], send: Send) -> None:
        async for reply in streaming(self._world(), call):
            await send(reply)
            await breathe()  # a long listing waits for nothing, and others should not wait

    async def _control(self, name: str, caller: Caller, read: Read, send: Send) -> None:
        try:
            self._admit(caller)
            request = await read()
            await send(StringValue(value=await control.answer(self._world(), name, request.value)))
        except GRPCError:
            raise
        except Exception as error:
            raise failure(name, error) from error

    def _call(self, caller: Caller, request: Any) -> Call[Any]:
        is_near = caller.is_near or _tells_our_time(self._world().clock, caller.metadata)
        where = caller.where or _told(caller.metadata)
        return Call(request, caller.container_id, is_near, caller.metadata, where)

    def _admit(self, caller: Caller) -> None:
        if caller.container_id is None:
            self._credentials.check(caller.metadata)


def _tells_our_time(clock: VirtualClock, metadata: Mapping[str, str]) -> bool:
    """Say whether a client's clock is rather ours than the machine's; newer SDKs send the time."""
    if clock.piece is None:
        return False
    try:
        sent = float(metadata.get("x-modal-timestamp", ""))
    except ValueError:
        return False
    return abs(sent - clock.now()) < abs(sent - machine_time())


def _told(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the lines of user code that a container has sent along."""
    lines = metadata.get(HEADER)
    return tuple(json.loads(lines)) if lines else ()


def unreadable(name: str, error: Exception) -> Invalid:
    """Say that a request is not what it should be."""
    return Invalid(f"{name}: the request cannot be read: {error}")


def failure(name: str, error: Exception) -> GRPCError:
    """Turn a failure into a status."""
    if isinstance(error, EmulatorError):
        return to_grpc(error)
    if isinstance(error, OSError):
        return to_grpc(_disk(error, name))
    LOG.error("%s failed inside the emulator", name, exc_info=error)
    # INTERNAL would be repeated by every SDK; this is a mistake of ours and stays one.
    return GRPCError(
        Status.ABORTED,
        f"modal-emulator failed in {name}: {error!r}. This is a bug in the emulator.",
    )


def _not_built(name: str) -> str:
    return (
        f"modal-emulator does not answer {name} yet. "
        f"What it answers is listed in {PAGE}, and by `modal-emulator support`."
    )


def _disk(error: OSError, name: str) -> EmulatorError:
    return Exhausted(
        f"{name} could not be kept: {os.strerror(error.errno or 0)}. Nothing was changed."
    )

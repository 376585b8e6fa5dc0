"""
The messages of one call of a web function, between the container's loop and the server's.

What the call is given is listened for as soon as the input is there, so that user code finds the
request when it asks; what user code sends is taken at once and brought to the server together
with whatever came meanwhile.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import Context
from typing import Any, Protocol

from google.protobuf.message import Message
from modal_proto import api_pb2

from modal_emulator.ground.clock import breathe
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.inline.crossing import Crossing
from modal_emulator.inline.private import client, private
from modal_emulator.rpc.compat import known

__all__ = ["Ask", "Exchange", "stub"]

LOG = logging.getLogger("modal_emulator")

_LARGE = 1 << 16  # bytes of a message of which only so many lie before user code:
_AHEAD = 16
_EACH = 1 << 10  # bytes that a message counts besides its own
_UNSENT = 1 << 20  # bytes, before user code waits for them to be taken


class Ask(Protocol):
    """Sends a request by the RPC's name."""

    async def __call__(self, name: str, request: Message) -> Any:
        """Return the reply."""
        ...

    def stream(self, name: str, request: Message) -> AsyncIterator[Any]:
        """Return the replies as they come."""
        ...


class Exchange:
    """What one call is given, and what it gives."""

    def __init__(self, ask: Ask, call_id: str, server: Crossing, home: Crossing) -> None:
        """`server` and `home` lead to the loops of the server, and of user code."""
        self._ask = ask
        self._call_id = call_id
        self._server = server
        self._home = home
        self._is_open = False
        self._came: asyncio.Queue[Any] = asyncio.Queue()
        self._ahead = asyncio.Semaphore(_AHEAD)
        self._unsent: deque[bytes] = deque()
        self._sent = self._unsent_bytes = 0
        self._is_told = False
        self._bringing = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None

    # ------------------------------------------------------- on the server's loop

    async def start(self) -> None:
        """Listen for what the call is given; what is there already is so before user code asks."""
        self._listening = self._server.loop.create_task(self._listen())
        await breathe()
        self._is_open = True

    async def finish(self) -> None:
        """Return when all that was sent has arrived; nothing more is listened for."""
        self._stop()
        await self._bring()

    async def _listen(self) -> None:
        request = known(api_pb2.FunctionCallGetDataRequest, function_call_id=self._call_id)
        with suppress(EmulatorError, RuntimeError):  # the container or its loop is gone
            while True:
                async for chunk in self._ask.stream("FunctionCallGetDataIn", request):
                    await _fetch(chunk)
                    if len(chunk.data) > _LARGE:
                        await self._ahead.acquire()
                    if self._is_open:
                        self._home.tell(self._came.put_nowait, chunk)
                    else:  # nobody waits for it yet
                        self._came.put_nowait(chunk)
                    request.last_index = chunk.index
                await breathe()  # the call is over, or it is time to ask again

    async def _bring(self) -> None:
        async with self._bringing:
            self._is_told, self._unsent_bytes, chunks = False, 0, []
            while self._unsent:
                self._sent += 1
                data: Any = self._unsent.popleft()
                chunks.append(
                    api_pb2.DataChunk(
                        data_format=api_pb2.DATA_FORMAT_ASGI, data=data, index=self._sent
                    )
                )
            if not chunks:
                return
            try:
                await self._ask(
                    "FunctionCallPutDataOut",
                    known(
                        api_pb2.FunctionCallPutDataRequest,
                        function_call_id=self._call_id,
                        data_chunks=chunks,
                    ),
                )
            except EmulatorError as error:
                LOG.debug("a response of %s was not taken: %s", self._call_id, error)

    def _stop(self) -> None:
        if self._listening is not None:
            self._listening.cancel()

    # ------------------------------------------------------- on the container's loop

    async def read(self) -> AsyncIterator[Any]:
        """Yield the messages that the call is given, as ASGI has them."""
        message_of = private("modal._serialization", "deserialize_data_format")
        try:
            while True:
                chunk = await self._came.get()
                if len(chunk.data) > _LARGE:
                    self._tell(self._ahead.release)
                yield message_of(chunk.data, chunk.data_format, client())
        finally:
            self._tell(self._stop)

    async def send(self, data: bytes) -> None:
        """Give a message, serialised; waits only where many are on their way."""
        self._unsent.append(data)
        self._unsent_bytes += len(data) + _EACH
        if self._unsent_bytes > _UNSENT:
            begin = asyncio.run_coroutine_threadsafe
            await asyncio.wrap_future(Context().run(begin, self._bring(), self._server.loop))
        elif not self._is_told:
            self._is_told = True
            self._tell(lambda: self._server.loop.create_task(self._bring()))

    def _tell(self, callback: Any) -> None:
        with suppress(RuntimeError):  # the server is gone
            self._server.tell(callback)


async def _fetch(chunk: Any) -> None:
    if chunk.data_blob_id:
        download = private("modal._utils.blob_utils", "blob_download")
        chunk.data = await download(chunk.data_blob_id, await stub())


async def stub() -> Any:
    """Return what the SDK of this process sends requests with."""
    found = await private("modal.client", "_Client").from_env()
    return getattr(found, "_stub", None) or found.stub  # its name before SDK 1.3

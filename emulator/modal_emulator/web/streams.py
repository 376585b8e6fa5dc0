"""
Bodies in and out, in pieces: never a whole one in memory.

What comes in is hashed while it is written; what goes out is handed to the kernel as a range of a
file. It knows files and digests, no tokens.
"""

import asyncio
import base64
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from aiohttp import web

from modal_emulator.ground.errors import DataLoss, NotFound

__all__ = ["Bodies", "Receiver", "send_range"]

# Hashing and writing happen in threads, a batch behind the network. Each hand-over costs a wait
# for Python's lock, so batches are large; when many bodies come at once they share the room.
ROOM = 16 << 20
LARGEST = 1 << 20
SMALL = 64 << 10  # a body up to this is hashed and written at once: a thread would cost more

# The words of S3: the SDK looks for them, to say that the file changed while it was sent
# (SDK:_utils/blob_utils.py).
S3_MISMATCH = "The Content-MD5 you specified did not match what we received."


class Receiver(Protocol):
    """Takes bytes and checks them at the end."""

    @property
    def lanes(self) -> Sequence[Callable[[bytes], None]]:
        """What has to see all bytes in their order; each may do so in a thread of its own."""
        ...

    @property
    def md5(self) -> str:
        """The MD5 of what came."""
        ...

    def finish(self) -> str:
        """Keep what was taken and return its SHA-256, or raise and keep nothing."""
        ...

    def abort(self) -> None:
        """Keep nothing."""
        ...


class Bodies:
    """Takes the bodies of requests; those that come at the same time share the memory."""

    def __init__(self) -> None:
        self._coming = 0

    async def take(self, request: web.Request, receiver: Receiver) -> str:
        """
        Bring the request's body into the receiver; return its SHA-256.

        Raises:
            DataLoss: the body broke off, or is not what was announced. Nothing is kept.
        """
        await self._pour(request, receiver)
        return receiver.finish()

    async def take_blob(self, request: web.Request, receiver: Receiver) -> str:
        """Do as `take`, but return the MD5 in hex, and heed a Content-MD5 header."""
        await self._pour(request, receiver)
        md5, announced = receiver.md5, request.headers.get("Content-MD5")
        if announced is not None and announced != base64.b64encode(bytes.fromhex(md5)).decode():
            receiver.abort()
            raise DataLoss(f"{S3_MISMATCH} It has MD5 {md5}.")
        try:
            receiver.finish()
        except DataLoss as error:
            raise DataLoss(f"{S3_MISMATCH} {error.message}.") from error
        return md5

    async def _pour(self, request: web.Request, receiver: Receiver) -> None:
        self._coming += 1
        try:
            await self._in_batches(request, receiver.lanes)
        except BaseException as error:
            receiver.abort()
            if isinstance(error, (web.RequestPayloadError, ConnectionError)):
                raise DataLoss("the body broke off before its end; nothing was kept") from error
            raise
        finally:
            self._coming -= 1

    async def _in_batches(
        self, request: web.Request, lanes: Sequence[Callable[[bytes], None]]
    ) -> None:
        batch: list[bytes] = []
        size = 0
        writing: asyncio.Future[None] | None = None
        try:
            async for piece in request.content.iter_any():
                batch.append(piece)
                size += len(piece)
                if size >= min(LARGEST, ROOM // self._coming):
                    if writing is not None:
                        await writing
                    writing = asyncio.ensure_future(_hand_over(lanes, batch))
                    batch, size = [], 0
            if size > SMALL:
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(_hand_over(lanes, batch))
                batch = []
        finally:
            # Also when the caller went away: threads should be out of the file when it is closed.
            if writing is not None:
                await asyncio.wait([writing])
                writing.result()
        for lane in lanes:
            lane(b"".join(batch))


async def _hand_over(lanes: Sequence[Callable[[bytes], None]], batch: Sequence[bytes]) -> None:
    data = b"".join(batch)
    running = [asyncio.ensure_future(asyncio.to_thread(lane, data)) for lane in lanes]
    await asyncio.wait(running)
    for each in running:
        each.result()


async def send_range(
    request: web.Request, path: Path, start: int, length: int
) -> web.StreamResponse:
    """Send `length` bytes of the file from `start`."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise NotFound("the file behind this URL is gone; ask for a new URL") from None
    with file:
        held = os.fstat(file.fileno()).st_size
        if start + length > held:
            raise DataLoss(f"{start + length} bytes were granted and only {held} are there")
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = length
        await response.prepare(request)
        if length and request.method != "HEAD":
            await _pass_on(request, file, start, length)
    await response.write_eof()
    return response


async def _pass_on(request: web.Request, file: BinaryIO, start: int, length: int) -> None:
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the caller went away")
    await asyncio.get_running_loop().sendfile(transport, file, start, length)

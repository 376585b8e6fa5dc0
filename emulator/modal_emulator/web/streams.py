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

__all__ = ["BROKEN_OFF", "Bodies", "Receiver", "send_range"]

# Hashing and writing happen in threads, a batch behind the network. Each hand-over costs a wait
# for Python's lock, so batches are large, and only so many bodies are taken at once: the SDK sends
# a hundred, and a few MiB for each would be much. When nothing came for a while from the senders
# whose turn it is, the others are taken all the same.
AT_ONCE = 8
PATIENCE = 5.0
BATCH = 1 << 20
SMALL = 64 << 10  # a body up to this is taken and given at once: a thread would cost more

BROKEN_OFF = "the body broke off before its end; nothing was kept"
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
    """Takes the bodies of requests, large ones a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._pieces = 0  # of all bodies so far

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
        mine = False
        try:
            if request.content_length is None or request.content_length > SMALL:
                mine = await self._turn()
            await self._in_batches(request, receiver.lanes)
        except BaseException as error:
            receiver.abort()
            if isinstance(error, (web.RequestPayloadError, ConnectionError)):
                raise DataLoss(BROKEN_OFF) from error
            raise
        finally:
            if mine:
                self._turns.release()

    async def _turn(self) -> bool:
        """Wait for a turn; False when it is no use to wait longer."""
        while True:
            before = self._pieces
            try:
                await asyncio.wait_for(self._turns.acquire(), PATIENCE)
            except asyncio.TimeoutError:
                if self._pieces == before:
                    return False
            else:
                return True

    async def _in_batches(
        self, request: web.Request, lanes: Sequence[Callable[[bytes], None]]
    ) -> None:
        batch: list[bytes] = []
        size = 0
        writing: asyncio.Future[None] | None = None
        try:
            async for piece in request.content.iter_any():
                self._pieces += 1
                batch.append(piece)
                size += len(piece)
                if size >= BATCH:
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
        if length <= SMALL:  # one packet with its header, instead of a turn of the loop for each
            body = os.pread(file.fileno(), length, start)
            return web.Response(body=body, content_type="application/octet-stream")
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = length
        await response.prepare(request)
        if request.method != "HEAD":
            await _pass_on(request, file, start, length)
    await response.write_eof()
    return response


async def _pass_on(request: web.Request, file: BinaryIO, start: int, length: int) -> None:
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the caller went away")
    await asyncio.get_running_loop().sendfile(transport, file, start, length)

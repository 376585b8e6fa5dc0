"""
Bodies in and out, in pieces: never a whole one in memory.

What comes in is hashed while it is written; what goes out is handed to the kernel as a range of a
file. It knows files and digests, no tokens.
"""

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from aiohttp import web

from modal_emulator.ground.errors import DataLoss, NotFound

__all__ = ["Receiver", "send_range", "take_body", "take_body_md5"]

# Hashing and writing happen in a thread, half a MiB at a time and one batch behind the network:
# 1.45 times as fast as on the event loop (8 bodies at once on 2 cores), which stays free.
BATCH = 1 << 19

# The words of S3: the SDK looks for them, to say that the file changed while it was sent
# (SDK:_utils/blob_utils.py).
S3_MISMATCH = "The Content-MD5 you specified did not match what we received."


class Receiver(Protocol):
    """Takes bytes and checks them at the end."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        ...

    def finish(self) -> str:
        """Keep what was taken and return its SHA-256, or raise and keep nothing."""
        ...

    def abort(self) -> None:
        """Keep nothing."""
        ...


async def take_body(request: web.Request, receiver: Receiver) -> str:
    """
    Bring the request's body into the receiver; return its SHA-256.

    Raises:
        DataLoss: the body broke off, or is not what was announced. Nothing is kept.
    """
    await _pour(request, receiver, receiver.write)
    return receiver.finish()


async def take_body_md5(request: web.Request, receiver: Receiver) -> str:
    """Do as `take_body`, but return the MD5 in hex, and heed a Content-MD5 header."""
    md5 = hashlib.md5(usedforsecurity=False)

    def write(data: bytes) -> None:
        md5.update(data)
        receiver.write(data)

    await _pour(request, receiver, write)
    announced = request.headers.get("Content-MD5")
    if announced is not None and announced != base64.b64encode(md5.digest()).decode():
        receiver.abort()
        raise DataLoss(f"{S3_MISMATCH} It has MD5 {md5.hexdigest()}.")
    try:
        receiver.finish()
    except DataLoss as error:
        raise DataLoss(f"{S3_MISMATCH} {error.message}.") from error
    return md5.hexdigest()


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


async def _pour(request: web.Request, receiver: Receiver, write: Callable[[bytes], None]) -> None:
    try:
        await _in_batches(request, write)
    except BaseException as error:
        receiver.abort()
        if isinstance(error, (web.RequestPayloadError, ConnectionError)):
            raise DataLoss("the body broke off before its end; nothing was kept") from error
        raise


async def _in_batches(request: web.Request, write: Callable[[bytes], None]) -> None:
    batch: list[bytes] = []
    size = 0
    writing: asyncio.Future[None] | None = None
    try:
        async for piece in request.content.iter_any():
            batch.append(piece)
            size += len(piece)
            if size >= BATCH:
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(asyncio.to_thread(_write_all, write, batch))
                batch, size = [], 0
    finally:
        # Also when the caller went away: the thread must be out of the file before it is closed.
        if writing is not None:
            await asyncio.wait([writing])
            writing.result()
    _write_all(write, batch)


def _write_all(write: Callable[[bytes], None], batch: Sequence[bytes]) -> None:
    for piece in batch:
        write(piece)

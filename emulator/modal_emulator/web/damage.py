"""Bodies that are damaged on purpose: the service is away, bits flip, the end is lost."""

import base64
import hashlib

from aiohttp import web

from modal_emulator.ground.errors import DataLoss
from modal_emulator.schedule.faults import Effect, Truncate, Unavailable
from modal_emulator.store.grants import Fetch
from modal_emulator.web.streams import BROKEN_OFF

__all__ = ["refuse_part", "send_damaged"]


async def send_damaged(request: web.Request, grant: Fetch, effect: Effect) -> web.StreamResponse:
    """Answer a download as this fault has it."""
    if isinstance(effect, Unavailable):
        return web.Response(status=503, text="block_unavailable, as planned\n")
    with grant.path.open("rb") as file:
        file.seek(grant.start)
        data = file.read(grant.length)
    if isinstance(effect, Truncate):
        return await _send_part(request, data, effect)
    # Newer SDKs compare what arrives with this header (RFC 9530); older ones take the damage.
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    damaged = bytes([data[0] ^ 0xFF]) + data[1:] if data else data
    return web.Response(
        body=damaged,
        headers={
            "Content-Type": "application/octet-stream",
            "Repr-Digest": f"sha-256=:{digest}:",
        },
    )


async def refuse_part(request: web.Request) -> web.StreamResponse:
    """Answer an upload as if its end had been lost on the way; nothing is kept."""
    # When the connection was closed in the middle, the SDK's upload waited on; why is not known.
    async for _ in request.content.iter_any():
        pass
    raise DataLoss(BROKEN_OFF)


async def _send_part(request: web.Request, data: bytes, effect: Truncate) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = len(data)
    await response.prepare(request)
    kept = len(data) // 2 if effect.keep is None else min(effect.keep, len(data) - 1)
    await response.write(data[:kept])
    if request.transport is not None:
        request.transport.close()
    return response

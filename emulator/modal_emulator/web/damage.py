"""Downloads that fail on purpose: the service is away, or the bytes are not what they should be."""

import base64
import hashlib

from aiohttp import web

from modal_emulator.schedule.faults import Effect, Unavailable
from modal_emulator.store.grants import Fetch

__all__ = ["send_damaged"]


async def send_damaged(grant: Fetch, effect: Effect) -> web.StreamResponse:
    """Answer a download as this fault has it."""
    if isinstance(effect, Unavailable):
        return web.Response(status=503, text="block_unavailable, as planned\n")
    with grant.path.open("rb") as file:
        file.seek(grant.start)
        data = file.read(grant.length)
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

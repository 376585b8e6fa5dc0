"""
Blobs: the bodies of large inputs, outputs and files, each brought by one `PUT`.

The tokens in the URLs come from `BlobCreate` and `BlobGet`.
"""

from collections.abc import Callable

from aiohttp import web

from modal_emulator.ground.errors import NotFound
from modal_emulator.schedule.faults import Site
from modal_emulator.store.grants import BringBlob, Fetch
from modal_emulator.web.damage import refuse_part, send_damaged
from modal_emulator.web.streams import Bodies, send_range
from modal_emulator.world import World

__all__ = ["routes"]


def routes(world: Callable[[], World], bodies: Bodies) -> list[web.RouteDef]:
    """Return what the site answers below `/blobs`."""

    async def put(request: web.Request) -> web.StreamResponse:
        now = world()
        grant = now.grants.redeem(request.match_info["token"])
        if not isinstance(grant, BringBlob):
            raise NotFound("this URL is not for an upload")
        if now.faults.strike(Site.UPLOAD, "", "blob"):
            return await refuse_part(request)
        md5 = await bodies.take_blob(request, now.blobs.receiver(grant.blob_id))
        # The SDK compares the ETag with the MD5 of what it sent, as S3 gives it.
        return web.Response(headers={"ETag": f'"{md5}"'})

    async def get(request: web.Request) -> web.StreamResponse:
        grant = world().grants.redeem(request.match_info["token"])
        if not isinstance(grant, Fetch):
            raise NotFound("this URL is not for a download")
        if plan := world().faults.strike(Site.DOWNLOAD, "", "blob"):
            return await send_damaged(request, grant, plan.effect)
        return await send_range(request, grant.path, grant.start, grant.length)

    return [web.put("/blobs/{token}", put), web.get("/blobs/{token}", get)]

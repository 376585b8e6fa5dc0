"""
Blocks of volumes: `PUT` of one that is missing, `GET` of a part of a file.

The tokens in the URLs come from `VolumePutFiles2` and `VolumeGetFile2`.
"""

from collections.abc import Callable

from aiohttp import web

from modal_emulator.ground.errors import NotFound
from modal_emulator.schedule.faults import Site
from modal_emulator.store.grants import NOT_KEPT, Bring, Fetch
from modal_emulator.web.damage import refuse_part, send_damaged
from modal_emulator.web.streams import Bodies, send_range
from modal_emulator.world import World

__all__ = ["routes"]


def routes(world: Callable[[], World], bodies: Bodies) -> list[web.RouteDef]:
    """Return what the site answers below `/blocks`."""

    async def put(request: web.Request) -> web.StreamResponse:
        now = world()
        grant = now.grants.redeem(request.match_info["token"])
        if not isinstance(grant, Bring):
            raise NotFound("this URL is not for an upload")
        if now.faults.strike(Site.UPLOAD, "", "block"):
            return await refuse_part(request)
        try:
            sha256 = await bodies.take(request, now.content.receive_piece(grant.sha256))
        except OSError as error:
            # The SDK would try for nine minutes. It hands back what is said here, so that
            # `VolumePutFiles2` can refuse in these words.
            if request.transport is None or request.transport.is_closing():
                raise  # the caller went away in the middle
            refusal = web.Response(body=NOT_KEPT + (error.strerror or repr(error)).encode())
            refusal.force_close()  # what is left of the body would be read as the next request
            return refusal
        # The SDK hands this back as `put_response`; what counts is that the block is here.
        return web.Response(body=bytes.fromhex(sha256))

    async def get(request: web.Request) -> web.StreamResponse:
        grant = world().grants.redeem(request.match_info["token"])
        if not isinstance(grant, Fetch):
            raise NotFound("this URL is not for a download")
        if plan := world().faults.strike(Site.DOWNLOAD, grant.volume_id, "block"):
            return await send_damaged(request, grant, plan.effect)
        return await send_range(request, grant.path, grant.start, grant.length)

    return [web.put("/blocks/{token}", put), web.get("/blocks/{token}", get)]

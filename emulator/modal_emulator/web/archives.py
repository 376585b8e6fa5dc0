"""
Archives of volumes: `GET` of a version, `PUT` of files that are to be added.

The tokens in the URLs come from the service `modal_emulator.Control`. Archives are made and read
in a thread while their bytes pass here, so neither side has more of one than a piece.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import StreamReader, web

from modal_emulator.ground.errors import DataLoss, NotFound
from modal_emulator.schedule.transfers import bring, look
from modal_emulator.store.grants import BringArchive, FetchVersion
from modal_emulator.store.history import Committer
from modal_emulator.store.tars import pack, read
from modal_emulator.world import World

__all__ = ["routes"]

T = TypeVar("T")
API = Committer(via="api")


def routes(world: Callable[[], World]) -> list[web.RouteDef]:
    """Return what the site answers below `/archives`."""

    async def get(request: web.Request) -> web.StreamResponse:
        now = world()
        grant = now.grants.redeem(request.match_info["token"])
        if not isinstance(grant, FetchVersion):
            raise NotFound("this URL is not for a version of a Volume")
        edition = now.volumes.edition(grant.volume_id, grant.number)
        response = web.StreamResponse(headers={"Content-Type": "application/x-tar"})
        try:
            await response.prepare(request)
        except BaseException:
            edition.close()
            raise
        outlet = _Outlet(response)
        try:
            await look(edition, lambda edition: pack(edition, outlet))
        except BaseException:
            if request.transport is not None:
                request.transport.abort()  # the only way left to say that this is not all
            raise
        await response.write_eof()
        return response

    async def put(request: web.Request) -> web.StreamResponse:
        now = world()
        grant = now.grants.redeem(request.match_info["token"])
        if not isinstance(grant, BringArchive):
            raise NotFound("this URL is not for an archive")
        try:
            version = await bring(now.volumes, grant.volume_id, read(_Inlet(request.content)), API)
        except (web.RequestPayloadError, ConnectionError) as error:
            raise DataLoss("the archive broke off before its end; nothing was kept") from error
        # What a client still sends after a refusal is taken by aiohttp for a while, so that it
        # gets to read why.
        return web.json_response({"version": version.number})

    return [web.get("/archives/{token}", get), web.put("/archives/{token}", put)]


class _Calling:
    """Lets a thread do what belongs to the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class _Outlet(_Calling):
    """A response as something to write to, for a thread."""

    def __init__(self, response: web.StreamResponse) -> None:
        super().__init__()
        self._response = response

    def write(self, data: bytes) -> None:
        self.call(self._response.write(data))


class _Inlet(_Calling):
    """A request's body as something to read from, for a thread."""

    def __init__(self, content: StreamReader) -> None:
        super().__init__()
        self._content = content

    def read(self, size: int) -> bytes:
        return self.call(self._exactly(size))

    async def _exactly(self, size: int) -> bytes:
        try:
            return await self._content.readexactly(size)
        except asyncio.IncompleteReadError as error:
            return error.partial

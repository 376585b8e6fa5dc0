"""
The HTTP side door of the emulator.

Blocks and blobs are too large for gRPC: a reply hands out a URL, and the bytes go here. The site
outlives Worlds; each request is answered from the World of its moment. It listens on loopback
only. Failures are translated to HTTP status codes here and nowhere else.
"""

import ipaddress
import logging
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from modal_emulator.ground.errors import Code, EmulatorError, Invalid
from modal_emulator.web import archives, blobs, blocks
from modal_emulator.web.streams import Bodies
from modal_emulator.world import World

__all__ = ["HTTP_STATUS", "Site"]

READ_AHEAD = 64 << 10  # of each body, before its turn; its sender waits at twice that
LOG = logging.getLogger("modal_emulator")

HTTP_STATUS: dict[Code, int] = {
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 409,
    Code.UNAUTHENTICATED: 401,
    Code.RESOURCE_EXHAUSTED: 507,
    Code.TOO_LARGE: 413,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 400,  # the caller's bytes are not those that were announced
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.DEADLINE_EXCEEDED: 504,
    Code.PERMISSION_DENIED: 403,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
}


class Site:
    """Listens for bodies and serves them."""

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world
        self._runner: web.AppRunner | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The base of every URL that is handed out; empty before `start`."""
        return self._url

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port."""
        address = _loopback(host)
        app = web.Application(middlewares=[_say_errors])
        bodies = Bodies()
        app.add_routes([*blocks.routes(self._world, bodies), *blobs.routes(self._world, bodies)])
        app.add_routes(archives.routes(self._world))
        # Bodies are streamed, so no limit on their size is needed or set.
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.25, read_bufsize=READ_AHEAD
        )
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, str(address), port)
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise Invalid(f"cannot listen on {host}:{port}: {error.strerror}") from error
        bound = int(self._runner.addresses[0][1])
        shown = f"[{address}]" if address.version == 6 else str(address)
        self._url = f"http://{shown}:{bound}"
        return bound

    async def stop(self) -> None:
        """Stop listening and drop the connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise Invalid(f"not an address: {host!r}") from error
    # The SDK refuses to upload blobs to hosts that it does not know as private
    # (SDK:_utils/blob_utils.py `use_md5`), and nobody else has business here.
    if not address.is_loopback:
        raise Invalid(f"the HTTP side door listens on loopback only, not on {host}")
    return address


@web.middleware
async def _say_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except EmulatorError as error:
        return _failure(request, HTTP_STATUS[error.code], error.message)
    except web.HTTPException as error:
        return _failure(request, error.status, error.reason)
    except OSError as error:
        if request.transport is None or request.transport.is_closing():
            raise  # the caller went away in the middle
        return _failure(request, 507, f"the bytes could not be kept: {error.strerror}")
    except Exception:
        LOG.exception("%s %s failed inside the emulator", request.method, request.match_info.route)
        return _failure(request, 500, "modal-emulator failed; this is a bug in the emulator")


def _failure(request: web.Request, status: int, message: str) -> web.Response:
    response = web.Response(status=status, text=message + "\n")
    if request.body_exists and not request.content.at_eof():
        # What is left of the body would be read as the next request.
        response.force_close()
    return response

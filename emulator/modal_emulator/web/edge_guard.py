"""
Who may pass: requests for another host, without a proxy token, or too many of them are refused.

The answer is Modal's where that is known; see `edge_errors`.
"""

import ipaddress

from aiohttp import web

from modal_emulator.store.web_addresses import Address
from modal_emulator.web.edge_errors import (
    BAD_CREDENTIALS,
    NO_CREDENTIALS,
    STRANGE_HOST,
    TOO_MANY,
    refusal,
)
from modal_emulator.world import World

__all__ = ["Allowance", "host_of", "refused"]


class Allowance:
    """A number of requests per second, of which a second's worth may come at once [guess]."""

    def __init__(self) -> None:
        self._left = 0.0
        self._since: float | None = None

    def admits(self, rate: float | None, now: float) -> bool:
        """Take one, if there is one."""
        if rate is None:
            return True
        most = max(1.0, rate)
        grown = most if self._since is None else self._left + (now - self._since) * rate
        self._left, self._since = min(most, grown), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def refused(
    world: World, address: Address, request: web.BaseRequest, allowance: Allowance
) -> web.Response | None:
    """Return the answer to a request that may not pass."""
    if not _is_own(host_of(request), address):
        return refusal(421, STRANGE_HOST)
    if address.endpoint.proxy_auth:
        credentials = _credentials(request)
        if credentials is None:
            return refusal(401, NO_CREDENTIALS)
        app = world.apps.get(world.apps.function(address.function_id).app_id)
        if not world.web_tokens.admits(*credentials, app.environment):
            return refusal(401, BAD_CREDENTIALS)
    if not allowance.admits(world.settings.web_requests_per_second, world.clock.now()):
        return refusal(429, TOO_MANY)
    return None


def host_of(request: web.BaseRequest) -> str:
    """Return the name that a request was sent to, without a port."""
    host = request.headers.get("Host", "")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".").lower()


def _is_own(host: str, address: Address) -> bool:
    """
    Say whether a request means this address.

    A page of somebody's site could give its own name the address 127.0.0.1 and then read what is
    served here as if it were its own. Such names have a dot and come from DNS.
    """
    if "." not in host or host == address.host or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _credentials(request: web.BaseRequest) -> tuple[str, str] | None:
    key, secret = request.headers.get("Modal-Key"), request.headers.get("Modal-Secret")
    if key and secret:
        return key, secret
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token_id, dot, rest = bearer.strip().partition(".")
    # Another kind of bearer is the app's own affair, and no credentials for the edge.
    if kind.lower() == "bearer" and dot and token_id.startswith("wk-"):
        return token_id, rest
    return None

"""
What keeps a process from the real Modal.

`pointed` says which environment variables make the SDK speak to the emulator and to nothing else;
`closed_to_modal` refuses, inside this process, to look up the addresses of Modal's own servers.
It knows no server and no test runner, and imports nothing of the SDK.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["ReachedOut", "closed_to_modal", "pointed"]

# A second set of credentials beside the token is refused by the SDK; a profile, or a word that the
# process runs inside a container of Modal's, changes which of the two is used ([sdk] client.py).
REMOVED = (
    "MODAL_IMAGE_ID",
    "MODAL_IS_REMOTE",
    "MODAL_OAUTH_CLIENT_ID",
    "MODAL_OAUTH_CLIENT_SECRET",
    "MODAL_OAUTH_JWT_KEY",
    "MODAL_OAUTH_REFRESH_TOKEN",
    "MODAL_OVERRIDE_HEADERS",
    "MODAL_PROFILE",
    "MODAL_TASK_ID",
    "MODAL_WORKER_ID",
)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MODAL_DOMAINS = ("modal.com", "modal2.com", "modal.run", "modal.host")


class ReachedOut(BaseException):
    """Something tried to reach the real Modal while an emulator stood in for it."""


def pointed(
    server: Mapping[str, str], inherited: Mapping[str, str], config_path: str
) -> dict[str, str | None]:
    """
    Say what to set (or, with None, to remove) in an environment that is to use this server.

    `config_path` takes the place of `~/.modal.toml`, whose profiles could name another server,
    other credentials or another environment.
    """
    changes: dict[str, str | None] = {name: None for name in REMOVED if name in inherited}
    changes.update(server)
    changes["MODAL_CONFIG_PATH"] = config_path
    # The SDK accepts another address for streams only on this machine ([sdk] experimental).
    changes["MODAL_STREAMS_URL"] = server["MODAL_SERVER_URL"]
    # The SDK's HTTP side asks for a proxy without naming the host, so NO_PROXY alone does not
    # keep it off the proxy ([sdk] _utils/http_utils.py).
    changes["MODAL_DISABLE_API_PROXY"] = "1"
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in inherited.get(name, "").split(",") if host]
        changes[name] = ",".join(hosts + [host for host in LOOPBACK if host not in hosts])
    return changes


@contextmanager
def closed_to_modal() -> Iterator[None]:
    """
    Refuse to look up Modal's addresses for the length of the block.

    asyncio, urllib, requests, httpx and the SDK all look names up through `socket.getaddrinfo`
    at the time of the call; a library with a resolver of its own is not seen.
    """
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = (os.fsdecode(host) if host else "").rstrip(".").lower()
        if any(name == domain or name.endswith("." + domain) for domain in MODAL_DOMAINS):
            raise ReachedOut(f"refused to connect to {name}: this test runs against modal-emulator")
        return original(host, *arguments, **options)

    socket.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        socket.getaddrinfo = original

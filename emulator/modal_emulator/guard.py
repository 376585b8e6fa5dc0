"""
What keeps a process from the real Modal.

`pointed` says which environment variables make the SDK speak to the emulator and to nothing else;
`closed_to_modal` refuses, inside this process, what leads to Modal's own servers.
It knows no server and no test runner, and imports nothing of the SDK.
"""

import asyncio
import asyncio.selector_events
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
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
def closed_to_modal(
    lead: Callable[[str], int] = lambda _: 0,
) -> Iterator[list[str]]:
    """
    Refuse what leads to Modal for the length of the block; yields a list of what was refused.

    A name for which `lead` has a port is answered there instead, on this machine.
    Nobody looks up Modal's own addresses: asyncio, urllib, requests, httpx and the SDK all look
    names up through `socket.getaddrinfo` at the time of the call; a library with a resolver of its
    own is not seen. And the SDK, by whatever address it was given, connects to nothing but this
    machine; all else in the process connects to where it likes.
    """
    refused: list[str] = []
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = (os.fsdecode(host) if host else "").rstrip(".").lower()
        if any(name == domain or name.endswith("." + domain) for domain in MODAL_DOMAINS):
            port = lead(name)
            if not port:
                raise _reached_out(name, refused)
            options.pop("port", None)
            return original(LOOPBACK[0], port, *arguments[1:], **options)
        return original(host, *arguments, **options)

    socket.getaddrinfo = getaddrinfo
    try:
        with _sdk_on_this_machine(refused):
            yield refused
    finally:
        socket.getaddrinfo = original


@contextmanager
def _sdk_on_this_machine(refused: list[str]) -> Iterator[None]:
    """
    Refuse the SDK's connections to other machines: its channels, its HTTP and their proxies.

    All of them are made on the event loop that the SDK runs on a thread of its own, where no
    code of the user's runs.
    """
    # These two are on the way of each connection: the first with names, the second with addresses.
    looks_up, connects = asyncio.BaseEventLoop, asyncio.selector_events.BaseSelectorEventLoop
    look_up, connect = looks_up.getaddrinfo, connects.sock_connect

    async def getaddrinfo(loop: Any, host: Any, *arguments: Any, **options: Any) -> Any:
        name = os.fsdecode(host) if host else ""
        if _is_sdk(loop) and not _is_here(name):
            raise _reached_out(name, refused)
        return await look_up(loop, host, *arguments, **options)

    async def sock_connect(loop: Any, sock: socket.socket, address: Any) -> None:
        if _is_sdk(loop) and isinstance(address, tuple) and not _is_here(str(address[0])):
            raise _reached_out(str(address[0]), refused)
        await connect(loop, sock, address)

    looks_up.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]
    connects.sock_connect = sock_connect  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        looks_up.getaddrinfo = look_up  # type: ignore[method-assign]
        connects.sock_connect = connect  # type: ignore[method-assign]


def _is_sdk(loop: asyncio.AbstractEventLoop) -> bool:
    # Not public; there from 1.0.0 to 1.6.4. Without it the names above are still refused.
    module = sys.modules.get("modal._utils.async_utils")
    return loop is getattr(getattr(module, "synchronizer", None), "_loop", None)


def _is_here(host: str) -> bool:
    name = host.rstrip(".").lower()
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _reached_out(name: str, refused: list[str]) -> ReachedOut:
    refused.append(name)
    return ReachedOut(f"refused to connect to {name}: this test runs against modal-emulator")

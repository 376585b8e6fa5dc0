"""
What keeps a run from a real workspace that nobody meant to use.

Unless the user allows it in so many words, only addresses on this machine may be given to the
SDK, and Modal's own names cannot be looked up in this process.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

__all__ = ["ReachedOut", "closed_to_modal", "environ", "on_this_machine"]

MODAL_DOMAINS = ("modal.com", "modal2.com", "modal.run", "modal.host")
THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


class ReachedOut(BaseException):
    """Something tried to reach the real Modal without leave."""


def on_this_machine(environment: Mapping[str, str]) -> bool:
    """Say whether these variables lead the SDK to a server on this machine."""
    url = urlsplit(environment.get("MODAL_SERVER_URL", ""))
    return url.scheme == "unix" or url.hostname in THIS_MACHINE


@contextmanager
def closed_to_modal() -> Iterator[None]:
    """Refuse to look up Modal's own names for the length of the block."""
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = (os.fsdecode(host) if host else "").rstrip(".").lower()
        if any(name == domain or name.endswith("." + domain) for domain in MODAL_DOMAINS):
            raise ReachedOut(f"refused to reach {name} without --modal-allow-live")
        return original(host, *arguments, **options)

    socket.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        socket.getaddrinfo = original


@contextmanager
def environ(changes: Mapping[str, str]) -> Iterator[None]:
    """Set these environment variables for the length of the block."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

"""
Tokens for the router of commands: each for one container and for a while.

They have the shape of a JWT, for clients read from it when it ends. Only who has the key can make
one; the key is minted with each router and nobody else sees it.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field

from modal_emulator.ground.clock import machine_time
from modal_emulator.ground.errors import Unauthenticated

__all__ = ["Passes"]

LIFE = 3600
"""Seconds of the machine; Modal's own figure is unknown [guess]. Clients ask again in time."""


@dataclass(frozen=True, slots=True)
class Passes:
    """Issues and checks them."""

    key: bytes = field(repr=False)

    def issue(self, container_id: str) -> str:
        """Return a token for commands in this container."""
        claims = {"exp": int(machine_time()) + LIFE, "task_id": container_id}
        head = f"{_text({'alg': 'HS256', 'typ': 'JWT'})}.{_text(claims)}"
        return f"{head}.{self._seal(head)}"

    def check(self, authorization: str, container_id: str) -> None:
        """
        Let the bearer of a token for this container pass.

        Raises:
            Unauthenticated: there is none, it is not ours, not for this container, or too old.
        """
        scheme, _, token = authorization.partition(" ")
        head, _, seal = token.rpartition(".")
        if scheme != "Bearer" or not hmac.compare_digest(seal.encode(), self._seal(head).encode()):
            raise Unauthenticated("the token for commands is missing or not valid")
        claims = json.loads(_bytes(head.partition(".")[2]))
        if claims["task_id"] != container_id:
            raise Unauthenticated("the token for commands is another container's")
        if claims["exp"] <= machine_time():
            raise Unauthenticated("the token for commands has expired")

    def _seal(self, head: str) -> str:
        return _plain(hmac.new(self.key, head.encode(), hashlib.sha256).digest())


def _text(values: dict[str, object]) -> str:
    return _plain(json.dumps(values).encode())


def _plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

"""
Who may call: Modal's token headers, checked as Modal checks them.

A caller on a container's own socket needs no token. Everybody else sends an id and a secret; the
texts of the refusals are Modal's (modal-semantics 8.2).
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from modal_emulator.ground.errors import Unauthenticated

__all__ = ["DEMO_TOKEN_ID", "Credentials"]

DEMO_TOKEN_ID = "ak-EmulatorDemoToken12345"  # noqa: S105 (public; the secret is minted)
TOKEN_ID = re.compile(r"^ak-\w+$")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one token that this server accepts."""

    token_id: str
    token_secret: str = field(repr=False)

    def check(self, metadata: Mapping[str, str]) -> None:
        """
        Accept the caller or say why not.

        Raises:
            Unauthenticated: with the text that Modal's server gives.
        """
        token_id = metadata.get("x-modal-token-id", "")
        secret = metadata.get("x-modal-token-secret", "")
        if not token_id and not secret:
            raise Unauthenticated("Token missing. Could not authenticate client.")
        if not TOKEN_ID.match(token_id):
            raise Unauthenticated("Token ID is malformed")
        known = hmac.compare_digest(token_id.encode(), self.token_id.encode())
        right = hmac.compare_digest(secret.encode(), self.token_secret.encode())
        if not (known and right):
            raise Unauthenticated("Token not found")

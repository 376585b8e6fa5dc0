"""
Proxy tokens: what a client shows at the edge to be let through to a web function.

A token's secret is told once, when it is made; what is kept is its digest. An ordinary token is
good in every environment, a scoped one where it is allowed.
"""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, replace

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import ID_LENGTH, Ids
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger

__all__ = ["WebToken", "WebTokens"]

_KIND = "web_token"


@dataclass(frozen=True, slots=True)
class WebToken:
    """A token as others may see it."""

    token_id: str
    digest: str
    created_at: float
    name: str = ""
    scoped: bool = False
    environment_ids: tuple[str, ...] = ()


class WebTokens:
    """The proxy tokens of the workspace."""

    def __init__(self, ledger: Ledger, environments: Environments, clock: Clock, ids: Ids) -> None:
        self._ledger = ledger
        self._environments = environments
        self._clock = clock
        self._ids = ids
        self._tokens: dict[str, WebToken] = {}
        for _, value in ledger.all(_KIND):
            record = json.loads(value)
            record["environment_ids"] = tuple(record["environment_ids"])
            self._tokens[record["token_id"]] = WebToken(**record)

    def create(self, name: str = "", *, scoped: bool = False) -> tuple[WebToken, str]:
        """Make a token; return it and its secret, which is told no other time."""
        secret = f"ws-{self._ids.secret(ID_LENGTH)}"
        token_id = f"wk-{self._ids.secret(ID_LENGTH)}"
        token = WebToken(token_id, _digest(secret), self._clock.now(), name, scoped)
        return self._keep(token), secret

    def list(self, environment: str | None = None) -> list[WebToken]:
        """Return all tokens, or those that are good in an environment, oldest first."""
        tokens = sorted(self._tokens.values(), key=lambda token: token.created_at)
        if environment is None:
            return tokens
        environment_id = self._environments.get(environment).environment_id
        return [token for token in tokens if _is_good_in(token, environment_id)]

    def get(self, token_id: str) -> WebToken:
        """Return a token; Modal's words for one that is not there are not known."""
        token = self._tokens.get(token_id)
        if token is None:
            raise NotFound(f"No Proxy Token with ID '{token_id}' found")
        return token

    def rename(self, token_id: str, name: str) -> WebToken:
        """Give a token another name."""
        return self._keep(replace(self.get(token_id), name=name))

    def allow(self, token_id: str, environment_id: str) -> None:
        """Let a scoped token be good in an environment."""
        token = self.get(token_id)
        there = {*token.environment_ids, self._environments.get(environment_id).environment_id}
        self._keep(replace(token, environment_ids=tuple(sorted(there))))

    def revoke(self, token_id: str, environment_id: str) -> None:
        """Let a scoped token no longer be good in an environment."""
        token = self.get(token_id)
        gone = self._environments.get(environment_id).environment_id
        left = tuple(each for each in token.environment_ids if each != gone)
        self._keep(replace(token, environment_ids=left))

    def delete(self, token_id: str) -> None:
        """Let a token be good for nothing any more."""
        self.get(token_id)
        del self._tokens[token_id]
        self._ledger.delete(_KIND, token_id)

    def admits(self, token_id: str, secret: str, environment: str) -> bool:
        """Say whether these credentials are good in an environment."""
        token = self._tokens.get(token_id)
        if token is None or not hmac.compare_digest(token.digest, _digest(secret)):
            return False
        return _is_good_in(token, self._environments.get(environment).environment_id)

    def _keep(self, token: WebToken) -> WebToken:
        self._ledger.put(_KIND, token.token_id, json.dumps(asdict(token)).encode())
        self._tokens[token.token_id] = token
        return token


def _is_good_in(token: WebToken, environment_id: str) -> bool:
    return not token.scoped or environment_id in token.environment_ids


def _digest(secret: str) -> str:
    # A secret of this length cannot be guessed, so a slow digest would protect nothing more.
    return hashlib.sha256(secret.encode()).hexdigest()

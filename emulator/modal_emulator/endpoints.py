"""
Web functions in the hand of a test: where they are, and what lets a client in.

`WebHandle` is for any thread but the emulator's own. It decides nothing: what an address is called
is known to `store/web`, who may pass the edge to `web/edge_guard`.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from modal_emulator.ground.errors import NotFound
from modal_emulator.store.web_addresses import DOMAIN, WebRecord
from modal_emulator.world import World

__all__ = ["WebHandle", "WebRecord"]

T = TypeVar("T")


class WebHandle:
    """The web functions of one emulator."""

    def __init__(
        self, run: Callable[[Coroutine[Any, Any, Any]], Any], world: Callable[[], World]
    ) -> None:
        self._run = run
        self._world = world

    def list(self) -> tuple[WebRecord, ...]:
        """Return all web functions that are answered, by the names of their addresses."""
        return self._ask(lambda world: tuple(world.web.records()))

    def url(self, function: str, *, app: str | None = None) -> str:
        """
        Return the URL on this machine of a web function, by its name or its label.

        Raises:
            NotFound: none is answered, or several are.
        """
        found = [
            record.loopback_url
            for record in self.list()
            if function in (record.function, record.label) and app in (None, record.app)
        ]
        if len(found) != 1:
            how = "several web functions are" if found else "no web function is"
            raise NotFound(f"{how} called {function!r}")
        return found[0]

    def token(self, name: str = "") -> dict[str, str]:
        """Make a proxy token; return the headers that let a request pass with it."""

        def made(world: World) -> dict[str, str]:
            token, secret = world.web_tokens.create(name)
            return {"Modal-Key": token.token_id, "Modal-Secret": secret}

        return self._ask(made)

    def lead(self, name: str) -> int:
        """Return the port on this machine where a host of Modal's is answered, 0 for none."""
        # Names are looked up on any thread, also on the emulator's own: one number is read.
        return self._world().web.port_by_name if name.endswith(f".{DOMAIN}") else 0

    def _ask(self, question: Callable[[World], T]) -> T:
        async def asked() -> T:
            return question(self._world())

        answer: T = self._run(asked())
        return answer

"""A Proxy of a running emulator, in the hands of a test."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from modal_emulator.ground.errors import NotFound
from modal_emulator.store.names import Creation
from modal_emulator.store.proxies import Proxies, Proxy
from modal_emulator.world import World

__all__ = ["LocalProxy"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]
T = TypeVar("T")


class LocalProxy:
    """A Proxy by its name; it is looked up each time."""

    def __init__(self, run: Run, world: Callable[[], World], name: str, environment: str) -> None:
        self._run = run
        self._world = world
        self._name = name
        self._environment = environment

    def __repr__(self) -> str:
        """Name it."""
        return f"<Proxy {self._name!r}>"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where what its containers send comes from: what an allow-list has to name."""
        return self._ask(lambda all_: tuple(a.ip for a in self._look_up(all_).addresses))

    def exists(self) -> bool:
        """Say whether there is one."""
        try:
            return bool(self._ask(self._look_up))
        except NotFound:
            return False

    def create(self) -> "LocalProxy":
        """Make it unless it is there."""
        self._ask(lambda all_: self._look_up(all_, Creation.CREATE_IF_MISSING))
        return self

    def add_address(self) -> str:
        """Give it one more address, and return that."""
        return self._ask(lambda all_: all_.add_address(self._look_up(all_).proxy_id).ip)

    def remove(self) -> None:
        """End it; containers that run keep its address."""
        self._ask(lambda all_: all_.delete(self._look_up(all_).proxy_id))

    def _look_up(self, proxies: Proxies, creation: Creation = Creation.LOOKUP) -> Proxy:
        return proxies.get_or_create(self._name, self._environment, creation)

    def _ask(self, question: Callable[[Proxies], T]) -> T:
        async def asked() -> T:
            return question(self._world().proxies)

        answer: T = self._run(asked())
        return answer

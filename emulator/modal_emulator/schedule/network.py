"""What each container has of the network: where it is reached, and the ways that lead there."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import count

from modal_emulator.ground.errors import NotBuilt
from modal_emulator.runtime.addresses import MACHINE, Pool
from modal_emulator.runtime.backend import Capability
from modal_emulator.schedule.tunnels import Tunnel, Tunnels
from modal_emulator.store.proxies import Proxies

__all__ = ["Network", "Seat"]


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a container is in the network."""

    address: str = ""
    """Its own; empty shares the machine's."""
    source_address: str = ""
    """Where its connections to this machine come from: its proxy's."""


class Network:
    """The network of a World."""

    def __init__(self, tunnels: Tunnels, pool: Pool, proxies: Proxies) -> None:
        self.tunnels = tunnels
        self._pool = pool
        self._proxies = proxies
        self._turns = count()
        self._addresses: dict[str, str] = {}

    def enter(self, container_id: str, *, proxy_id: str, offers: Collection[Capability]) -> Seat:
        """
        Return the seat of a container that is being made, as far as its backend offers that.

        Raises:
            NotBuilt: it has a proxy, and its connections could not come from there.
            NotFound: it has one that is gone.
        """
        source = self._proxies.source(proxy_id, next(self._turns)) if proxy_id else ""
        if source and Capability.PROXIES not in offers:
            raise NotBuilt(
                "proxy= needs containers that can mount, on a machine whose kernel reports calls; "
                "see docs/guide/network.md"
            )
        self.tunnels.began(container_id)
        address = self._addresses[container_id] = (
            self._pool.take() if Capability.OWN_PORTS in offers else ""
        )
        return Seat(address, source)

    def leave(self, container_id: str) -> None:
        """The container has ended."""
        self.tunnels.ended(container_id)
        self._pool.give(self._addresses.pop(container_id, ""))

    def address(self, container_id: str) -> str:
        """Return where the ports of a container are found that it opens to all."""
        return self._addresses.get(container_id, "") or MACHINE

    async def forward(
        self, container_id: str, port: int, *, with_plain: bool, offers_h2: bool
    ) -> Tunnel:
        """Open a port of a container to outsiders; see `Tunnels.start` for what may go wrong."""
        return await self.tunnels.start(
            container_id,
            self.address(container_id),
            port,
            with_plain=with_plain,
            offers_h2=offers_h2,
        )

    def close(self) -> None:
        """End what still leads anywhere."""
        self.tunnels.close()

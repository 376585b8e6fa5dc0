"""What each container has of the network: where it is reached, and the ways that lead there."""

from modal_emulator.runtime.addresses import MACHINE, Pool
from modal_emulator.schedule.tunnels import Tunnel, Tunnels

__all__ = ["Network"]


class Network:
    """The network of a World."""

    def __init__(self, tunnels: Tunnels, pool: Pool) -> None:
        self.tunnels = tunnels
        self._pool = pool
        self._addresses: dict[str, str] = {}

    def enter(self, container_id: str, *, has_own: bool) -> str:
        """Return the address of a container that is being made, if it can have its own."""
        self.tunnels.began(container_id)
        address = self._addresses[container_id] = self._pool.take() if has_own else ""
        return address

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

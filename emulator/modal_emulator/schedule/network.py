"""What each container has of the network: where it is reached, and the ways that lead there."""

from modal_emulator.schedule.tunnels import Tunnel, Tunnels

__all__ = ["MACHINE", "Network"]

MACHINE = "127.0.0.1"
"""Where a container is reached that has no address of its own."""


class Network:
    """The network of a World."""

    def __init__(self, tunnels: Tunnels) -> None:
        self.tunnels = tunnels
        self._addresses: dict[str, str] = {}

    def enter(self, container_id: str) -> str:
        """Give a container that is being made its address; empty is none of its own."""
        self.tunnels.began(container_id)
        self._addresses[container_id] = ""
        return ""

    def leave(self, container_id: str) -> None:
        """The container has ended."""
        self.tunnels.ended(container_id)
        self._addresses.pop(container_id, None)

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

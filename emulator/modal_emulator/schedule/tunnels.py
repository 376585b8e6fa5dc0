"""
Ports of containers that are reached from outside: which there are, and when each ends.

A tunnel ends when its container says so and when its container ends, however that happens. How
bytes go through is another's part, the `Relay`'s.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from modal_emulator.ground.errors import AlreadyExists, Invalid, NotFound
from modal_emulator.ground.journal import Journal

__all__ = ["Ear", "Relay", "Tunnel", "Tunnels"]

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Ear:
    """Where outsiders are heard."""

    host: str
    port: int
    close: Callable[[], None] = field(repr=False, compare=False)
    """Hear nobody any more, and hang up on those who speak."""


class Relay(Protocol):
    """Carries bytes between outsiders and a container's port, both ways."""

    async def secure(self, host: str, port: int, *, offers_h2: bool) -> Ear:
        """Hear outsiders who speak TLS, and pass on what is inside."""
        ...

    async def plain(self, host: str, port: int) -> Ear:
        """Hear outsiders and pass on what they say."""
        ...


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One port of a container, and where outsiders reach it."""

    port: int
    secure: Ear
    plain: Ear | None

    def close(self) -> None:
        """Let nobody through any more."""
        self.secure.close()
        if self.plain is not None:
            self.plain.close()


class Tunnels:
    """All tunnels of a World."""

    def __init__(self, relay: Relay, journal: Journal) -> None:
        self._relay = relay
        self._journal = journal
        self._open: dict[str, dict[int, Tunnel | None]] = {}
        """By container and port; None while one is being opened."""

    def began(self, container_id: str) -> None:
        """A container is there, which may ask for tunnels from now on."""
        self._open[container_id] = {}

    def ended(self, container_id: str) -> None:
        """The container is gone; so is every way to it."""
        for tunnel in self._open.pop(container_id, {}).values():
            if tunnel is not None:
                tunnel.close()

    def of(self, container_id: str) -> tuple[Tunnel, ...]:
        """Return the tunnels of a container, by port."""
        ports = self._open.get(container_id, {})
        return tuple(tunnel for _, tunnel in sorted(ports.items()) if tunnel is not None)

    async def start(
        self,
        container_id: str,
        host: str,
        port: int,
        *,
        with_plain: bool = False,
        offers_h2: bool = False,
    ) -> Tunnel:
        """
        Open a port of a container, which is reached at `host`, to outsiders.

        Raises:
            AlreadyExists: the port has a tunnel; one for all protocols.
            Invalid: there is no such port.
            NotFound: the container has ended.
        """
        if not 0 < port <= _LAST_PORT:
            raise Invalid(f"Invalid port number {port}")  # the SDK's words for it
        ports = self._ports(container_id)
        if port in ports:
            # The SDK makes its own text of it: modal-semantics 7 [observed].
            raise AlreadyExists(f"Port {port} is already forwarded")
        ports[port] = None
        try:
            secure = await self._relay.secure(host, port, offers_h2=offers_h2)
            try:
                plain = await self._relay.plain(host, port) if with_plain else None
            except BaseException:
                secure.close()
                raise
        except BaseException:
            del ports[port]
            raise
        tunnel = ports[port] = Tunnel(port, secure, plain)
        if self._open.get(container_id) is not ports:  # it ended meanwhile
            tunnel.close()
            raise NotFound(f"No Container with ID '{container_id}' found")
        self._journal.add("tunnel.started", container_id=container_id, port=port)
        return tunnel

    def stop(self, container_id: str, port: int) -> bool:
        """Close the tunnel of this port; False when there is none."""
        ports = self._ports(container_id)
        tunnel = ports.get(port)
        if tunnel is None:
            return False
        del ports[port]
        tunnel.close()
        self._journal.add("tunnel.stopped", container_id=container_id, port=port)
        return True

    def close(self) -> None:
        """Close all."""
        for container_id in tuple(self._open):
            self.ended(container_id)

    def _ports(self, container_id: str) -> dict[int, Tunnel | None]:
        if container_id not in self._open:
            raise NotFound(f"No Container with ID '{container_id}' found")
        return self._open[container_id]

"""What outlives a World and is handed to each: clock, ways in and out, who makes containers."""

import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modal_emulator.ground.ids import Ids
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.runtime.addresses import Pool
from modal_emulator.runtime.backend import Backend
from modal_emulator.schedule.launcher import Door, Translator
from modal_emulator.schedule.skews import ShowSkewed
from modal_emulator.schedule.tunnels import Relay
from modal_emulator.store.apps import Apps
from modal_emulator.store.births import Births
from modal_emulator.store.volumes import Volumes
from modal_emulator.store.web_addresses import Ports, WebAddresses

__all__ = ["Certifier", "CommandRouter", "Surroundings"]


class Certifier(Protocol):
    """Vouches for what is served over TLS on this machine."""

    @property
    def file(self) -> Path:
        """Where clients find the certificate to trust, as PEM."""
        ...

    @property
    def certificate(self) -> bytes:
        """The certificate to trust, as PEM."""
        ...

    def server_context(self, *names: str, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """Return what a server needs to be believed by these names."""
        ...


CommandRouter = Callable[[str, Mapping[str, str]], Awaitable[tuple[str, str]]]
"""Returns where commands for a container are taken, for who sends these headers, and a token."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What outlives a World and is handed to each."""

    clock: VirtualClock
    skew_clock: ShowSkewed
    clock_page: Callable[[], Path | None]
    """Where a process finds the clock's instant; None while that is the machine's."""
    ids: Ids
    births: Births
    authority: Certifier
    relay: Relay
    addresses: Pool
    backend: Backend
    door: Door
    translator: Callable[[Apps, Volumes, WebAddresses], Translator]
    site_url: Callable[[], str]
    ports: Ports
    server_url: Callable[[], str]
    command_router: CommandRouter
    rpcs: Callable[[], Collection[str]]
    """Returns the names of the calls that are answered."""

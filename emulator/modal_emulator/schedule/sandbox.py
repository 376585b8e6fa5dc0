"""One Sandbox: what was asked for, and what has become of it. What is done with it: `sandboxes`."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from modal_emulator.ground.clock import Timer
from modal_emulator.runtime.backend import Container, Limits
from modal_emulator.schedule.executed import Executed
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.schedule.tunnels import Tunnel
from modal_emulator.store.apps import VolumeUse
from modal_emulator.store.placements import Placement

__all__ = ["Ended", "Sandbox", "SandboxSpec", "Why"]


class Why(Enum):
    """How a Sandbox ended; the numbers are the protocol's."""

    SUCCESS = 1
    FAILURE = 2
    TERMINATED = 3
    TIMEOUT = 4
    INIT_FAILURE = 5
    IDLE_TIMEOUT = 7


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What somebody asks for; times in seconds."""

    arguments: tuple[str, ...]
    name: str = ""
    image_id: str = ""
    mount_ids: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What its secrets give."""
    volumes: tuple[VolumeUse, ...] = ()
    working_directory: str = ""
    terminal: tuple[int, int] | None = None
    placement: Placement = field(default_factory=Placement)
    proxy_id: str = ""
    limits: Limits = field(default_factory=Limits)
    timeout: float = 300.0  # modal-semantics 7
    idle_timeout: float = 0.0
    ports: tuple[tuple[int, bool, bool], ...] = ()
    """Those to be opened to outsiders: whether also without TLS, whether HTTP/2 is spoken."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended."""

    why: Why
    code: int
    text: str = ""


class Sandbox:
    """One Sandbox, running or over."""

    def __init__(
        self,
        sandbox_id: str,
        container_id: str,
        app_id: str,
        spec: SandboxSpec,
        tags: Mapping[str, str],
        created_at: float,
    ) -> None:
        self.sandbox_id = sandbox_id
        self.container_id = container_id
        self.app_id = app_id
        self.spec = spec
        self.name = spec.name
        self.tags = dict(tags)
        self.created_at = created_at
        self.finished_at = 0.0
        self.container: Container | None = None
        self.main: Executed | None = None
        self.ended: Ended | None = None
        self.over = Pulse()
        self.why: Why | None = None
        """Why it is being ended, once it is."""
        self.timers: dict[str, Timer] = {}
        self.tunnels: dict[int, Tunnel] = {}
        self.opening = asyncio.Lock()

    @property
    def running(self) -> bool:
        """Nothing has ended it, or has begun to."""
        return self.ended is None and self.why is None

    async def wait(self) -> Ended:
        """Return how it ended, once its volumes are committed."""
        while self.ended is None:
            await self.over.wait()
        return self.ended

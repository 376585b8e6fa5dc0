"""
The seam between what a container is and how one is made.

The floors above plan a container (`Plan`), ask a `Backend` to start it, and hold a `Container`.
Backends do not know one another, nor RPCs, nor what a commit means: they show a `View` of a
volume at a path and can take it away again, and that is all the storage they know.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime.images import Heir
from modal_emulator.runtime.sight import Seen

__all__ = [
    "Backend",
    "Bound",
    "Capability",
    "Command",
    "Container",
    "Execution",
    "Exit",
    "Limits",
    "Mount",
    "OpenFiles",
    "Plan",
    "View",
]


class Capability(Enum):
    """What a backend can offer; callers ask for these, never for its class."""

    EPHEMERAL_DISK = "what user code writes outside a volume is gone with the container"
    REAL_MOUNTS = "every program sees the volume at its path, also C libraries"
    OPEN_FILE_REFUSAL = "detach refuses while anything in the container holds the volume"
    OWN_PROCESSES = "a container sees its own processes only"
    OWN_PORTS = "a container has an address of its own, and ports that collide with nobody's"
    PROXIES = "what a container sends to this machine can come from a proxy's address"
    PAUSE = "a container can be stopped for a moment, so that large commits copy nothing"
    IMAGES = "images are built, and containers run in them"
    EXECUTE = "a command can be run in a container beside what runs there"
    WATCHED_CALLS = "what a volume's file system refuses or commits, it does for every program"
    LIMITS = "a container gets no more memory and CPU than it was allowed"


class OpenFiles(Conflict):
    """Something in the container has a file or its working directory inside the volume."""

    def __init__(self) -> None:
        # The exact words of Modal's server; the SDK looks for them and adds who holds what.
        # modal-semantics 1.4 [sdk], [observed].
        super().__init__("there are open files preventing the operation")


@dataclass(frozen=True, slots=True)
class Bound:
    """How many names a volume, or each of its directories, can hold."""

    most: int
    left: int
    """How many more the whole volume could take when it was shown."""
    per_directory: bool


@dataclass(frozen=True, slots=True)
class View:
    """
    What a container is to see of a volume.

    `layers` are directories with the newest first, in the format of overlayfs: a character
    device 0:0 removes the name below it. `changes` takes what the container writes and may hold
    changes already; `scratch` is an empty directory on the same file system for the kernel's use.
    With no layers the volume is empty.
    """

    layers: tuple[Path, ...]
    changes: Path
    scratch: Path
    read_only: bool = False
    sub_path: str = ""
    """Show only this directory of the volume (relative, no `..`); it is made when missing."""
    version: int = 1
    """Of the volume's file system: 1 or 2."""
    bound: Bound | None = None
    """What the container may still make; None far away from any bound."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume, the path where the user wants it, and what is first seen there."""

    volume_id: str
    path: str
    view: View


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended: an exit code, or the signal that killed it."""

    code: int | None
    signal: int | None = None

    @property
    def clean(self) -> bool:
        """True when the entrypoint returned by itself, without an error."""
        return self.code == 0


@dataclass(frozen=True, slots=True)
class Command:
    """A program to be run in a container that runs already."""

    arguments: tuple[str, ...]
    """The program, looked for in the PATH that it gets, and its arguments."""
    environment: Mapping[str, str] = field(repr=False)
    """Added to the container's own."""
    working_directory: str
    """Empty is the container's own."""
    terminal: tuple[int, int] | None
    """Rows and columns of a terminal, where all output comes as 1; None makes three pipes."""
    on_output: Callable[[int, bytes], None]
    """
    Called on the event loop with 1 or 2 and what was written there, just as it comes.

    While an `Execution` is `hold`ing, it is not called, and the program waits in the end.
    """
    on_exit: Callable[[Exit], None]
    """Called once on the event loop, after all output; also when the container ended."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the machine a container may have; 0 is all."""

    memory: int = 0
    """In MiB."""
    cpu: int = 0
    """In thousandths of a CPU."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a backend needs to start one container."""

    container_id: str
    arguments: bytes
    """The SDK's own ContainerArguments, serialised; opaque to backends."""
    environment: Mapping[str, str] = field(repr=False)
    """The whole environment of the container; nothing of the host's is added."""
    mounts: tuple[Mount, ...]
    files: tuple[Path, ...]
    """Read-only trees laid over `/`, the first on top: local code and image files."""
    working_directory: str
    socket: Path | None
    """The unix socket on which the server answers this container, if the backend wants one."""
    on_output: Callable[[int, bytes], None]
    """Called on the event loop with 1 or 2 and what was written there."""
    on_sync: Callable[[str], Awaitable[None]]
    """
    Called on the event loop with a volume's id when a process syncs its mount point; the process
    waits, and its call fails if this does.
    """
    on_exit: "Callable[[Exit], asyncio.Future[Any] | None]"
    """Called once on the event loop, after all output, when no process of the container is left.

    `collect` may be called until the answer, if there is one, is done."""
    stamps: Callable[[], Callable[[int], int] | None] = lambda: None
    """Returns what reads the machine's stamps of files as the emulator's; from any thread."""
    clock_page: Path | None = None
    """Where a process finds the instant to show to user code; None shows it the machine's."""
    image: str = ""
    """The id of the image, for a backend that has images."""
    address: str = ""
    """The container's own on loopback, where `Capability.OWN_PORTS` is; see `Addresses`."""
    source_address: str = ""
    """Where its connections to this machine are to come from: its proxy's address."""
    has_web: bool = False
    """Whether it runs web functions, for which the SDK needs more than for others."""
    limits: Limits = Limits()
    """Kept where `Capability.LIMITS` is."""
    sight: Seen | None = None
    """Who sees what its code does with files; None: nobody."""
    heir: Heir | None = None
    """Who gets the files that it leaves, where `Capability.IMAGES` is."""
    bare: bool = False
    """
    No entrypoint and no socket: nothing runs there but what `Container.execute` is given, and the
    container stays until it is killed. A Sandbox's.
    """


class Execution(Protocol):
    """One running command. What is asked of one that has ended does nothing."""

    async def write(self, data: bytes) -> None:
        """
        Give it input; returns when the kernel has all of it.

        Raises:
            BrokenPipeError: it has closed its input, or ended.
        """
        ...

    async def close_input(self) -> None:
        """Let it see the end of its input; a terminal is given an end-of-file character."""
        ...

    def hold(self, *, held: bool) -> None:
        """Stop taking its output, or go on: whoever hears it cannot keep up."""
        ...

    async def resize(self, rows: int, columns: int) -> None:
        """Change the size of its terminal; nothing to do without one."""
        ...

    async def signal(self, number: int) -> None:
        """Send it a signal, and with it to the processes of its group."""
        ...


class Container(Protocol):
    """One running container."""

    @property
    def container_id(self) -> str:
        """The id from the plan."""
        ...

    @property
    def can_pause(self) -> bool:
        """Whether `detach` can be `pausing`."""
        ...

    @property
    def outlives_itself(self) -> bool:
        """Whether code of it goes on after its end, and may write to files that it has open."""
        ...

    @property
    def asleep_until(self) -> float | None:
        """
        Until when its code sleeps on the emulator's clock, where only the container knows.

        None: it does not, or says so by other means.
        """
        ...

    async def detach(self, volume_id: str, *, pausing: bool = False) -> None:
        """
        Take the volume away; its path then shows an empty directory.

        With `pausing`, which needs `Capability.PAUSE`, nobody sees that: all processes of the
        container stand still until `attach`.

        Raises:
            OpenFiles: something in the container holds it, or a process cannot be stopped;
                nothing was changed.
        """
        ...

    async def attach(self, volume_id: str, view: View) -> None:
        """Show the volume again, as this view, at the path where it was."""
        ...

    async def collect(self, volume_id: str) -> frozenset[int]:
        """
        Bring what the container wrote into the view's `changes` directory, in overlay format.

        Nothing to do where the kernel writes there by itself; may be called at any time. Returns
        the inodes there of files whose times do not tell whether they were changed since the
        last call, for they may have been stored into through memory.
        """
        ...

    async def execute(self, command: Command) -> Execution:
        """
        Run a command in the container: its files, volumes, environment and limits.

        It holds volumes open like any other process, and is killed with the container.

        Raises:
            NotBuilt: without `Capability.EXECUTE`.
            Conflict: the program cannot be started there; the text says why.
            EmulatorError: the container has ended.
        """
        ...

    async def terminate(self) -> None:
        """Send SIGINT to the entrypoint, which ends it in order (exit handlers, exit commit)."""
        ...

    async def kill(self) -> None:
        """End every process of the container at once with SIGKILL; returns when they are gone."""
        ...


class Backend(Protocol):
    """Makes containers."""

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers of this backend can do on this machine."""
        ...

    @property
    def notice(self) -> str:
        """One line for the user saying what this backend cannot do here, or an empty string."""
        ...

    @property
    def by_socket(self) -> bool:
        """Whether its containers call the server through a socket of their own."""
        ...

    def sweep(self) -> None:
        """Remove what is left of the containers of a server that was killed; slow."""
        ...

    async def start(self, plan: Plan) -> Container:
        """
        Start a container; returns once it has been made, before user code ran.

        Raises:
            EmulatorError: it could not be made; `on_exit` is then not called.
        """
        ...

    async def close(self) -> None:
        """End every container and leave no process, mount, socket or file behind."""
        ...

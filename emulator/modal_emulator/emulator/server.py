"""One World behind its servers, started and stopped as one thing; for code on its event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from modal_emulator.emulator.faces import Faces
from modal_emulator.ground.clock import machine_time
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.instants import Beginning
from modal_emulator.ground.virtual import Mode, VirtualClock
from modal_emulator.inline.programs import SdkPrograms
from modal_emulator.lodging import Lodging
from modal_emulator.rpc.asgi import AsgiMessages
from modal_emulator.rpc.credentials import DEMO_TOKEN_ID, Credentials
from modal_emulator.rpc.front import Front
from modal_emulator.rpc.memory import Memory
from modal_emulator.rpc.registry import rpcs
from modal_emulator.rpc.results import terminated
from modal_emulator.rpc.router import Router
from modal_emulator.rpc.server import Wire
from modal_emulator.rpc.translator import Messages
from modal_emulator.runtime.addresses import Pool
from modal_emulator.runtime.backend import Capability
from modal_emulator.runtime.backends import Backends
from modal_emulator.schedule.background import commit_in_background
from modal_emulator.schedule.faults.planning import check
from modal_emulator.schedule.logs import LogLine
from modal_emulator.sdk import newest_builder_version
from modal_emulator.store.births import Births
from modal_emulator.web.authority import Authority
from modal_emulator.web.edge import Edge
from modal_emulator.web.site import Site
from modal_emulator.web.tunnels import Sockets
from modal_emulator.world import Settings, Surroundings, World

__all__ = ["DEFAULTS", "MEMORY", "TRANSPORTS", "WIRE", "Emulator"]

DEFAULTS = Settings()
MEMORY, WIRE = "memory", "wire"
TRANSPORTS = (MEMORY, WIRE)


class Emulator:
    """
    A Modal server on loopback.

    With a directory, what is kept there survives (deployed apps, volumes, secrets); without one
    everything is gone at the end. `port` 0 takes a free one. With the transport "memory", an SDK in
    this process is answered without the network; everybody else is answered over it as always.
    So that process, or with `shows_time` any, sees the emulator's time while that is not its own.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: Settings = DEFAULTS,
        transport: str = WIRE,
        shows_time: bool = False,
    ) -> None:
        if transport not in TRANSPORTS:
            raise Invalid(f"unknown transport {transport!r}; there is: {', '.join(TRANSPORTS)}")
        self._transport = transport
        self._shows_time = shows_time or transport == MEMORY
        self._directory = directory
        self._host = host
        self._port = port
        self._settings = replace(
            settings,
            image_builder_version=settings.image_builder_version or newest_builder_version(),
        )
        self._world: World | None = None
        self._memory: Memory | None = None
        self._take_back: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._count = 0
        self._listeners: list[Callable[[LogLine], None]] = []
        self._programs = SdkPrograms(lambda: self.world)
        # Threads of this process have no socket: which container calls is known in memory only.
        self.backends = Backends(self._programs if transport == MEMORY else None)
        self._url = ""

    @property
    def world(self) -> World:
        """The World of the moment."""
        if self._world is None:
            raise Invalid("the emulator is not running")
        return self._world

    @property
    def server_url(self) -> str:
        """Where SDKs find it, for MODAL_SERVER_URL."""
        return self._url

    @property
    def environment(self) -> dict[str, str]:
        """The three variables that send an SDK here."""
        return {
            "MODAL_SERVER_URL": self._url,
            "MODAL_TOKEN_ID": self._credentials.token_id,
            "MODAL_TOKEN_SECRET": self._credentials.token_secret,
        }

    @property
    def notice(self) -> str:
        """What containers cannot do on this machine, or an empty string."""
        return self._around.backend.notice

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers can do on this machine."""
        return self._around.backend.offers

    async def start(self) -> None:
        """
        Listen.

        Raises:
            Invalid: the port is taken, or the directory cannot be used.
        """
        self._lodging = Lodging(self._directory)
        self._site = Site(lambda: self.world)
        self._authority = Authority(self._lodging.authority)
        self._edge = Edge(lambda: self.world, AsgiMessages(), self._authority)
        self._edge.ports.listen_on(self._host)
        self._addresses = Pool()
        try:
            self._credentials = Credentials(DEMO_TOKEN_ID, self._lodging.token_secret(Ids()))
            front = Front(lambda: self.world, self._credentials)
            self._wire = Wire(front, self._lodging.sockets)
            self._router = Router(lambda: self.world, self._authority)
            self._around = self._surround(VirtualClock())
            if self._directory is not None:
                await asyncio.to_thread(self._around.backend.sweep)
            self._open_world()
            await self.world.engines.open()
            await self._site.start(self._host)
            port = await self._wire.listen(self._host, self._port)
            if self._transport == MEMORY:
                self._memory = Memory(front, self._host, port)
                self._memory.start()
            self.world.schedules.start()
            self._announce(port)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End containers and servers; leave nothing behind but a given directory's contents."""
        await self._close_world()
        if self._memory is not None:
            await self._memory.stop()
        while self._take_back:
            self._take_back.pop()()
        await self.backends.close()
        self._programs.close()
        if hasattr(self, "_wire"):
            await self._router.stop()
            await self._wire.stop()
        await self._site.stop()
        self._authority.close()
        self._addresses.close()
        self._lodging.close()

    async def reset(self, settings: Settings | None = None) -> None:
        """
        Begin a fresh World behind the same servers, with these settings or those of the start.

        Ids of named objects stay what they were, so handles that an SDK process keeps work on.

        Raises:
            NotBuilt: there is no such runtime yet.
            Invalid: there will never be, or a directory was given. Nothing has changed.
        """
        if self._directory is not None:
            raise Invalid("an emulator with a state directory cannot be reset")
        backend = self.backends.get(settings or self._settings, self._lodging.base)
        faults = (settings or self._settings).faults
        check(faults, rpcs())
        old = self._root
        await self._close_world()
        self._around = replace(self._around, backend=backend)
        self._open_world(settings)
        await self.world.engines.open()
        self.world.schedules.start()
        self._lodging.discard(old)

    async def warm(self) -> None:
        """Make ready what the first container needs."""
        warm = getattr(self._around.backend, "warm", None)
        if warm is not None:
            await warm()

    async def settle(self) -> None:
        """Return once the containers that are on their way out have committed and are gone."""
        await asyncio.gather(*(w.gone.wait() for w in self.world.dispatcher.workers() if w.leaving))
        await self.world.leaks.looked()

    def on_log(self, listener: Callable[[LogLine], None]) -> None:
        """Call `listener` on the event loop for each piece that a container prints."""
        self._listeners.append(listener)
        self.world.logs.listen(listener)

    async def __aenter__(self) -> "Emulator":
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    def _surround(self, clock: VirtualClock) -> Surroundings:
        faces = self._show(clock)
        return Surroundings(
            clock=clock,
            clock_page=lambda: faces.page,
            skew_clock=faces.skew,
            # Without a directory nothing is left that the ids of another run could hit.
            ids=Ids(salt=self._credentials.token_secret if self._directory else ""),
            births=Births(),
            authority=self._authority,
            relay=Sockets(self._authority),
            addresses=self._addresses,
            backend=self.backends.get(self._settings, self._lodging.base),
            door=self._wire,
            translator=Messages,
            site_url=lambda: self._site.url,
            ports=self._edge.ports,
            command_router=self._router.access,
            server_url=lambda: self._url,
            rpcs=rpcs,
        )

    def _show(self, clock: VirtualClock) -> Faces:
        """Let who is to see this clock see it."""
        self._faces = Faces(
            clock,
            self._lodging.sockets / "clock",
            here=self._shows_time,
            on_leaving=self._renew,
        )
        self._take_back.append(self._faces.close)
        return self._faces

    def _renew(self) -> None:
        if self._world is not None:  # a clock that begins elsewhere does so before its World
            self._world.dispatcher.renew()

    def _announce(self, port: int) -> None:
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._url = f"http://{host}:{port}"
        self._lodging.announce(self._url)

    def _open_world(self, chosen: Settings | None = None) -> None:
        settings = chosen or self._settings
        self._count += 1
        durable = self._directory is not None
        base = self._lodging.base
        self._root = base if durable else base / str(self._count)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _begin(self._around.clock, settings.clock)
        world = World.open(self._root, settings, self._around, durable=durable)
        for listener in self._listeners:
            world.logs.listen(listener)
        self._world = world
        interval = settings.background_commit_interval
        self._tasks = [
            asyncio.ensure_future(world.dispatcher.reap(lambda: terminated(world))),
            asyncio.ensure_future(
                commit_in_background(
                    world.dispatcher,
                    world.commits,
                    world.clock,
                    world.settling,
                    world.journal,
                    world.steps,
                    interval,
                    others=world.sandboxes.running,
                )
            ),
            asyncio.ensure_future(world.settling.go_on()),
        ]
        if durable:  # what a killed server had given away, or the opening has
            trash = asyncio.to_thread(world.volumes.empty_trash)
            self._tasks.append(asyncio.ensure_future(trash))

    async def _close_world(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if hasattr(self, "_edge"):
            await self._edge.close()
        if self._world is not None:
            await self._around.clock.halt()
            await self._world.close()
            self._world = None
            self._faces.align()


def _begin(clock: VirtualClock, beginning: Beginning | None) -> None:
    if beginning is None or beginning == Beginning():
        if clock.mode is not Mode.REAL:
            clock.resume()
    else:
        at = machine_time() if beginning.at is None else beginning.at
        clock.set(at, beginning.rate)

"""A running emulator, for callers on other threads: this is what tests hold in their hands."""

import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from modal_emulator.clock import ClockHandle
from modal_emulator.cron import CronHandle
from modal_emulator.emulator.server import DEFAULTS, MEMORY, Emulator
from modal_emulator.emulator.wishes import Wishes
from modal_emulator.endpoints import WebHandle
from modal_emulator.findings.finding import Finding, Level
from modal_emulator.findings.story import Story
from modal_emulator.ground.errors import Conflict
from modal_emulator.ground.journal import Event
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.handles import (
    ContainerHandle,
    FaultsHandle,
    first_container,
    running_containers,
)
from modal_emulator.hosting import Host, own_thread, sdk_thread
from modal_emulator.keyed import LocalDict, LocalQueue
from modal_emulator.picture import draw_html
from modal_emulator.proxy import LocalProxy
from modal_emulator.regions import RegionsHandle
from modal_emulator.runtime.backend import Capability
from modal_emulator.runtime.inline.leftover import Leftover
from modal_emulator.schedule.background import Holder, commit_once
from modal_emulator.schedule.logs import LogLine
from modal_emulator.secret import Hidden, LocalSecret, Values
from modal_emulator.staging import StageHandle, opened
from modal_emulator.volume import LocalVolume
from modal_emulator.world import Settings, World

__all__ = ["Running", "present", "running"]

T = TypeVar("T")

PRESENT: "list[Running]" = []
"""What runs in this process, for those who are handed nothing: functions that a test imports."""


class Running:
    """A running emulator, for callers on other threads."""

    def __init__(self, emulator: Emulator, host: Host) -> None:
        self._emulator = emulator
        self._host = host
        self._run = host.run
        self.wishes = Wishes()
        """What whoever lends it wants of its explorations."""

    @property
    def environment(self) -> dict[str, str]:
        """The three variables that send an SDK here."""
        return self._emulator.environment

    @property
    def server_url(self) -> str:
        """Where SDKs find it."""
        return self._emulator.server_url

    @property
    def notice(self) -> str:
        """What containers cannot do on this machine, or an empty string."""
        return self._emulator.notice

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers can do on this machine."""
        return self._emulator.offers

    @property
    def ca_file(self) -> Path:
        """The certificate, as PEM, of whoever vouches for what is served over TLS here."""
        return self.ask(lambda world: world.authority.file)

    @property
    def settings(self) -> Settings:
        """The settings of the World of the moment."""
        return self._emulator.world.settings

    @property
    def faults(self) -> FaultsHandle:
        """What can be made to fail on purpose."""
        return FaultsHandle(self._run, lambda: self._emulator.world)

    @property
    def clock(self) -> ClockHandle:
        """What time it is, how time runs, and moving it."""
        return ClockHandle(self._run, lambda: self._emulator.world)

    @property
    def cron(self) -> CronHandle:
        """The schedules, and what they did."""
        return CronHandle(self._run, lambda: self._emulator.world)

    @property
    def regions(self) -> RegionsHandle:
        """The regions that containers run in, and taking them down."""
        return RegionsHandle(self._run, lambda: self._emulator.world)

    @property
    def web(self) -> WebHandle:
        """The web functions, and what lets a client in."""
        return WebHandle(self._run, lambda: self._emulator.world)

    @property
    def virtual_clock(self) -> VirtualClock:
        """The clock itself, for code on its loop; other threads may read it."""
        return self._emulator.world.clock

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the emulator's loop and return what comes of it."""
        return self._run(work)

    def reset(self, settings: Settings | None = None) -> None:
        """Begin a fresh World behind the same servers, with these settings or the first ones."""
        self._run(self._emulator.reset(settings))

    def containers(
        self, function: str | None = None, *, app: str | None = None
    ) -> tuple[ContainerHandle, ...]:
        """Return the containers that run, of this function and app if they are given."""

        async def find() -> tuple[ContainerHandle, ...]:
            return running_containers(self._run, self._emulator.world, function, app)

        return self._run(find())

    def container(
        self, function: str, *, app: str | None = None, timeout: float = 60.0
    ) -> ContainerHandle:
        """Return the oldest container of this function, waiting until there is one."""
        world = self._emulator.world
        return self._run(first_container(self._run, world, function, app, timeout))

    @contextmanager
    def stage(self, *, background_commits: bool = False) -> Iterator[StageHandle]:
        """
        Hold containers at their storage steps for the length of the block, and move them by hand.

        Meanwhile background commits happen when the stage is asked for one; with
        `background_commits` they go on every few seconds as well.
        """
        __tracebackhide__ = True
        world = self._emulator.world
        with opened(self._run, world, background_commits=background_commits) as stage:
            yield stage

    def commit_in_background(self) -> None:
        """Let every container that runs make its background commit now."""
        now = self._emulator.world
        everybody: tuple[Holder, ...] = (*now.dispatcher.workers(), *now.sandboxes.running())
        self._run(commit_once(everybody, now.commits, now.journal, now.steps))

    def sow(self, seed: int | str | None) -> None:
        """Let the ids of what is made from now on follow from this seed, or from chance."""
        self.ask(lambda world: world.ids.sow(seed))

    def warm(self) -> None:
        """Make ready what the first container needs."""
        self._run(self._emulator.warm())

    def settle(self) -> None:
        """Return once the containers that are on their way out have committed and are gone."""
        self._run(self._emulator.settle())

    def leftovers(self) -> tuple[Leftover, ...]:
        """Return the threads that go on though their container has ended."""
        self._run(self._emulator.backends.see_off())
        return self._emulator.backends.leftovers()

    def ask(self, question: Callable[[World], T]) -> T:
        """Return the answer of the World of the moment; it is asked on the emulator's thread."""

        async def asked() -> T:
            return question(self._emulator.world)

        return self._run(asked())

    def tell(self, callback: Callable[[], object]) -> None:
        """Have the emulator's thread call back soon, and do not wait for that; from any thread."""
        self._host.loop.call_soon_threadsafe(callback)

    def on_log(self, listener: Callable[[LogLine], None]) -> None:
        """Call `listener` on the emulator's thread for each piece that a container prints."""
        self._host.loop.call_soon_threadsafe(self._emulator.on_log, listener)

    def secret(
        self, name: str, values: Values = None, /, *, environment: str = "", **more: str
    ) -> LocalSecret:
        """Return a Secret; it is made, or replaced whole, when values are given."""
        __tracebackhide__ = True
        secret = LocalSecret(self._run, lambda: self._emulator.world, name, environment)
        values, more = None if values is None else Hidden(values), Hidden(more)
        return secret.set(values, **more) if more or values is not None else secret

    def volume(
        self, name: str, *, environment: str = "", create: bool = False, version: int | None = None
    ) -> LocalVolume:
        """
        Return a volume with its old versions; with `create` it is made when it is missing.

        `version` is that of its file system: a volume that is made gets it, another must have it.
        """
        now = self._emulator
        return LocalVolume(lambda: now.world, self._run, name, environment, create, version)

    def dict(self, name: str, *, environment: str = "") -> LocalDict:
        """Return a Dict, which is used as one of Python's and made when something is set in it."""
        return LocalDict(self._run, lambda: self._emulator.world, name, environment)

    def queue(self, name: str, *, environment: str = "") -> LocalQueue:
        """Return a Queue, which is made when something is put into it."""
        return LocalQueue(self._run, lambda: self._emulator.world, name, environment)

    def proxy(self, name: str, *, environment: str = "") -> LocalProxy:
        """Return a Proxy, which is made when it is missing, with an address of its own."""
        return LocalProxy(self._run, lambda: self._emulator.world, name, environment).create()

    def story(self) -> Story:
        """Return who did what with storage so far, in order, and what followed from what."""
        self._run(self._emulator.world.leaks.looked())
        return self.ask(lambda world: world.explaining.story())

    def findings(self) -> tuple[Finding, ...]:
        """Return what went wrong so far; what is off by itself only if it is switched on."""
        self._run(self._emulator.world.leaks.looked())
        return self.ask(lambda world: world.explaining.findings())

    def picture(self, path: str | Path, heading: str = "A run") -> Path:
        """
        Draw what happened so far, as a page for a browser.

        What went wrong is marked, but for what is off or allowed.
        """
        told = [each for each in self.findings() if self.settings.findings.of(each) != Level.OFF]
        drawn = Path(path)
        drawn.parent.mkdir(parents=True, exist_ok=True)
        drawn.write_text(draw_html(self.story(), told, heading), encoding="utf-8")
        return drawn

    def journal(self, kind: str = "") -> tuple[Event, ...]:
        """Return what happened so far, oldest first."""

        async def read() -> tuple[Event, ...]:
            await self._emulator.world.leaks.looked()
            return self._emulator.world.journal.events(kind)

        return self._run(read())


@contextmanager
def running(
    directory: Path | None = None,
    *,
    port: int = 0,
    settings: Settings = DEFAULTS,
    transport: str | None = None,
) -> Iterator[Running]:
    """
    Run an emulator for the length of a `with` block.

    With the transport "memory" it lives on the thread of this process's SDK, where a call of the
    SDK needs no network and no other thread; with "wire", on a thread of its own. None asks the
    environment variable MODAL_EMULATOR_TRANSPORT, and is "memory" without it.
    """
    transport = transport or os.environ.get("MODAL_EMULATOR_TRANSPORT") or MEMORY
    with sdk_thread() if transport == MEMORY else own_thread() as host:
        emulator = Emulator(
            directory, port=port, settings=settings, transport=transport, shows_time=True
        )
        host.run(emulator.start())
        lent = Running(emulator, host)
        PRESENT.append(lent)
        try:
            yield lent
        finally:
            PRESENT.remove(lent)
            host.run(emulator.stop())


def present() -> Running:
    """
    Return the emulator that runs in this process, the latest if there are several.

    Raises:
        Conflict: none does.
    """
    if not PRESENT:
        raise Conflict("no emulator runs in this process; a test has one by its fixture")
    return PRESENT[-1]

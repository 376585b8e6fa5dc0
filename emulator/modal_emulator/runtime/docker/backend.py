"""
Containers as Docker makes them, out of real images.

In each, the first process is ours (`first`), on the image's Python: it meets the server on a socket
that is mounted, and from there on the server speaks with it as with a warden. What user code
prints, the secrets that it gets and its calls go that way, and none of it by the daemon. Volumes
are copied directories.
"""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.naps import Note
from modal_emulator.runtime.backend import Capability, Command, Container, Execution, Plan, View
from modal_emulator.runtime.cell import Cell
from modal_emulator.runtime.copies import Copies
from modal_emulator.runtime.docker.daemon import LABEL, Daemon
from modal_emulator.runtime.docker.facts import Facts
from modal_emulator.runtime.docker.images import DockerImages
from modal_emulator.runtime.docker.inside import (
    CLOCK,
    FILES,
    HOME,
    LIBRARIES,
    READ_ONLY,
    SDK,
    SERVER,
    START,
    TOP,
)
from modal_emulator.runtime.docker.landing import Landing
from modal_emulator.runtime.docker.packages import Packages
from modal_emulator.runtime.environ import BARE
from modal_emulator.runtime.images import Heir
from modal_emulator.runtime.job import Isolation, Job
from modal_emulator.runtime.leftovers import discard, remove_tree, sweep
from modal_emulator.runtime.ports import host_of_ports
from modal_emulator.runtime.process import ENTRYPOINT

__all__ = ["DockerBackend"]

_OFFERS = frozenset(
    {
        Capability.EPHEMERAL_DISK,
        Capability.EXECUTE,
        Capability.IMAGES,
        Capability.LIMITS,
        Capability.OPEN_FILE_REFUSAL,
        Capability.OWN_PROCESSES,
        Capability.REAL_MOUNTS,
    }
)
_NOTICE = (
    "volumes are copied directories: hard links on version 1 are refused to Python only, `sync` "
    "commits none of version 2, and a full one is noticed when it is committed"
)
_CONTAINER = f"{LABEL}.container"
_BEGIN = f"""\
import sys

sys.path[1:1] = {[HOME, SDK]!r}
sys.path.append({LIBRARIES!r})
from modal_emulator.runtime.docker.first import main

main()
"""


class DockerBackend:
    """Makes containers out of Docker's."""

    def __init__(
        self, directory: Path, daemon: Daemon, network: str, *, entrypoint: str = ENTRYPOINT
    ) -> None:
        """Keep what containers are shown below `directory`; `network` is Docker's word for one."""
        self._directory = directory.absolute()
        self._daemon = daemon
        self._network = network
        self.images = DockerImages(daemon, network)
        self._packages = Packages(self._directory / "shared")
        self._entrypoint = entrypoint
        self._cells: dict[str, Cell] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._is_prepared, self._preparing = False, asyncio.Lock()

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers can do."""
        return _OFFERS

    @property
    def notice(self) -> str:
        """What user code will miss, in one line."""
        return _NOTICE

    @property
    def by_socket(self) -> bool:
        """They do."""
        return True

    def sweep(self) -> None:
        """Remove what is left of the containers of a server that was killed; slow."""
        for container in self._daemon.labelled(self._label):
            self._daemon.remove(container)
        sweep(self._directory / "containers")

    async def start(self, plan: Plan) -> Container:
        """
        Start a container; returns once its main process exists.

        Raises:
            EmulatorError: it could not be made; nothing of it is left and `on_exit` is not called.
        """
        async with self._preparing:
            if not self._is_prepared:
                await asyncio.to_thread(self._prepare)
                self._is_prepared = True
        facts = await self.images.facts(plan.image)
        job = self._job(plan, facts)
        cell = Cell(
            plan,
            job,
            on_gone=lambda: self._forget(job),
            on_left=lambda: self._leave(plan, cell, landing),
        )
        copies = _DockerCopies(plan, job, cell)
        landing = Landing(self._top(job), lambda: self._make(plan, job, facts), self._daemon)
        self._cells[plan.container_id] = cell
        try:
            await asyncio.to_thread(_lay_out, plan, job, self._top(job), copies)
            await cell.start(landing)
        except BaseException:
            self._forget(job)
            self._remove(job, landing)
            raise
        naps = None if plan.clock_page is None or plan.bare else Note(self._top(job) / "naps")
        return _Docked(plan.container_id, cell, copies, naps)

    async def close(self) -> None:
        """End every container and leave nothing behind."""
        await asyncio.gather(*(cell.kill() for cell in tuple(self._cells.values())))
        await asyncio.gather(*tuple(self._endings))
        if self._is_prepared:
            for name in ("containers", "shared"):
                await asyncio.to_thread(remove_tree, self._directory / name)
            self._is_prepared = False

    @property
    def _label(self) -> str:
        return f"{LABEL}.directory={self._directory}"

    def _prepare(self) -> None:
        self.sweep()
        (self._directory / "shared").mkdir(exist_ok=True)

    def _job(self, plan: Plan, facts: Facts) -> Job:
        directory = self._directory / "containers" / plan.container_id
        return Job(
            container_id=plan.container_id,
            isolation=Isolation.ROOT,
            directory=directory,
            environment=_environment(plan.environment, facts),
            mounts=plan.mounts,
            files=tuple(path.absolute() for path in plan.files),
            working_directory=_directory(plan.working_directory, facts),
            socket=None if plan.bare else Path(SERVER),
            hide=(),
            entrypoint=self._entrypoint,
            seen=plan.sight is not None and not plan.bare,
            bare=plan.bare,
            keeps=plan.heir is not None,
            clock_page=None if plan.clock_page is None else Path(CLOCK),
            # Where the network is the machine's, its `eth0` may be missing or be reached by others.
            address=host_of_ports() if self._network == "host" else "",
        )

    def _make(self, plan: Plan, job: Job, facts: Facts) -> object:
        """On a thread: have Docker make the container; nothing of it runs yet."""
        top = self._top(job)
        mounts = [
            (str(top), TOP, False),
            (f"{top}/read-only", READ_ONLY, True),
            *((str(tree), f"{FILES}/{n}", True) for n, tree in enumerate(job.files)),
            *self._packages.shown(facts),
        ]
        if plan.socket is not None:
            mounts.append((str(plan.socket.absolute()), SERVER, False))
        if plan.clock_page is not None:
            mounts.append((str(plan.clock_page.absolute()), CLOCK, True))
        directory, _, value = self._label.partition("=")
        return self._daemon.make(
            self.images.reference(plan.image),
            ("python", "-u", START),
            mounts=mounts,
            labels={directory: value, _CONTAINER: plan.container_id},
            network=self._network,
            # An image of what it leaves would have all that Docker is told.
            environment={} if job.keeps else {"PYTHONPATH": _search_path(facts.environment)},
            limits=plan.limits,
            stays=job.keeps,
        )

    def _top(self, job: Job) -> Path:
        return job.directory / "modal"

    def _forget(self, job: Job) -> None:
        self._cells.pop(job.container_id, None)

    def _leave(self, plan: Plan, cell: Cell, landing: Landing) -> None:
        """Have nothing left of a container but what its heir gets."""
        if plan.heir is None:
            self._remove(cell.job, landing)
        else:
            self._later(self._bequeath(plan.heir, plan, cell, landing))

    async def _bequeath(self, heir: Heir, plan: Plan, cell: Cell, landing: Landing) -> None:
        image_id, why = heir.image_of(plan.container_id), ""
        if image_id and not cell.ended_in_order:
            why = "the function came to its end, and its container did not"
        elif image_id:
            labels = (self._label.partition("=")[0], _CONTAINER)
            keep = partial(self.images.keep, landing.container, plan.image, image_id, labels)
            try:
                await asyncio.to_thread(keep)
            except EmulatorError as error:
                why = f"what the function left could not be kept: {error.message}"
        try:
            await asyncio.to_thread(_clear, cell.job.directory, landing)
        finally:
            heir.inherited(plan.container_id, why)

    def _remove(self, job: Job, landing: Landing) -> None:
        self._later(asyncio.to_thread(_clear, job.directory, landing))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)


class _DockerCopies:
    """The copied volumes of one container: those that it may write to, and the others."""

    def __init__(self, plan: Plan, job: Job, cell: Cell) -> None:
        self._top = job.directory / "modal"
        self._cell = cell
        self._loop = asyncio.get_running_loop()
        self._read_only = {m.volume_id for m in plan.mounts if m.view.read_only}
        self._kinds = {
            read_only: Copies(
                place / "volumes", str, str, stamps=plan.stamps, is_held=self._is_held
            )
            for read_only, place in ((False, self._top), (True, self._top / "read-only"))
        }

    def of(self, volume_id: str) -> Copies:
        """Return what has the volume's copy."""
        return self._kinds[volume_id in self._read_only]

    def _is_held(self, place: Path, _warden: int) -> bool:
        """On a thread: ask the container itself, which sees all of its processes."""
        path = f"{TOP}/{place.relative_to(self._top)}"
        asked = self._cell.ask({"do": "held", "path": path})
        return bool(asyncio.run_coroutine_threadsafe(asked, self._loop).result()["held"])


class _Docked:
    """One container, as the floors above hold it."""

    def __init__(
        self, container_id: str, cell: Cell, copies: _DockerCopies, naps: Note | None
    ) -> None:
        self._container_id = container_id
        self._cell = cell
        self._copies = copies
        self._naps = naps

    @property
    def asleep_until(self) -> float | None:
        """What its main thread has noted."""
        return None if self._naps is None else self._naps.read()

    @property
    def container_id(self) -> str:
        """The id from the plan."""
        return self._container_id

    @property
    def outlives_itself(self) -> bool:
        """Never: the kernel ends all of it."""
        return False

    @property
    def can_pause(self) -> bool:
        """Never: what is copied has to be copied again in any case."""
        return False

    async def detach(self, volume_id: str, *, pausing: bool = False) -> None:
        """Take the volume away, unless something in the container holds it."""
        if pausing:
            raise EmulatorError("containers of Docker cannot pause; runtime 'process' can")
        await self._own()
        await asyncio.to_thread(self._copies.of(volume_id).detach, volume_id, 1)

    async def attach(self, volume_id: str, view: View) -> None:
        """Show the volume again."""
        await asyncio.to_thread(self._copies.of(volume_id).attach, volume_id, view)

    async def collect(self, volume_id: str) -> frozenset[int]:
        """Bring what the container wrote into `changes`."""
        await self._own()
        await asyncio.to_thread(self._copies.of(volume_id).collect, volume_id)
        return frozenset()

    async def _own(self) -> None:
        """What root wrote in the container, an ordinary user may not read here."""
        if os.getuid():
            with suppress(EmulatorError):  # it has ended, and did so at its end
                await self._cell.ask({"do": "own"})

    async def execute(self, command: Command) -> Execution:
        """Run a command in the container; its first process starts it."""
        return await self._cell.execute(command)

    async def terminate(self) -> None:
        """Interrupt the main process; nothing to do when it has ended."""
        with suppress(EmulatorError):
            await self._cell.ask({"do": "terminate"})

    async def kill(self) -> None:
        """End every process of the container; returns when they are gone."""
        await self._cell.kill()


def _environment(planned: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """Return all of it: under what the plan says lies the image's, under that Modal's own."""
    whole = {**BARE, **facts.environment, **planned}
    return {**whole, "PYTHONPATH": _search_path(whole)}


def _directory(planned: str, facts: Facts) -> str:
    """Return where the container begins; what Docker knows of the image is more than its lines."""
    return planned if planned != HOME else facts.working_directory or HOME


def _search_path(environment: Mapping[str, str]) -> str:
    rest = environment.get("PYTHONPATH", "")
    return ":".join((HOME, SDK, *filter(None, rest.split(":"))))


def _lay_out(plan: Plan, job: Job, top: Path, copies: _DockerCopies) -> None:
    """Make what the container finds at `TOP`, before there is one."""
    job.directory.mkdir(mode=0o700)
    for name in ("volumes", "read-only/volumes", "deps", "files"):
        (top / name).mkdir(parents=True)
    (top / "arguments").write_bytes(plan.arguments)
    (top / "start.py").write_text(_BEGIN)
    if job.clock_page is not None:
        Note(top / "naps", make=True)
    for mount in plan.mounts:
        try:
            copies.of(mount.volume_id).attach(mount.volume_id, mount.view)
        except (OSError, ValueError) as error:  # as a warden says it of what it lays out
            why = f"container {plan.container_id}: {type(error).__name__}: {error}"
            raise EmulatorError(why) from error


def _clear(directory: Path, landing: Landing) -> None:
    landing.remove()
    discard(directory)

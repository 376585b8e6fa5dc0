"""
Containers as processes of this machine.

Each is a fork of one zygote with its own mounts, processes, environment and disk, as far as the
machine allows; see `Isolation`. The server's end, however sudden, is the end of all of them.
"""

import asyncio
import itertools
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.naps import Note
from modal_emulator.runtime import kernel, seccomp
from modal_emulator.runtime.backend import Capability, Command, Container, Execution, Plan, View
from modal_emulator.runtime.cell import Cell
from modal_emulator.runtime.copies import Copies
from modal_emulator.runtime.job import Isolation, Job, view_to_values
from modal_emulator.runtime.leftovers import remove_tree, sweep
from modal_emulator.runtime.nursery import Nursery
from modal_emulator.runtime.overlay import clear_scratch
from modal_emulator.runtime.probe import Finding, probe
from modal_emulator.runtime.shadow import Shadow, lay_shadow, shadow_of

__all__ = ["ENTRYPOINT", "ProcessBackend"]

ENTRYPOINT = "modal._container_entrypoint"
WEB = "modal._runtime.asgi"

_KERNEL = frozenset(Capability) - {Capability.IMAGES, Capability.LIMITS}
_UNWATCHED = (
    "volumes of version 1 take hard links, `sync` commits none of version 2, and a full one is "
    "noticed when it is committed, and containers share the machine's ports"
)
_SOCKETS = frozenset({Capability.OWN_PORTS, Capability.PROXIES})
_WATCHED = frozenset({Capability.WATCHED_CALLS}) | _SOCKETS
_PLAIN = frozenset({Capability.EXECUTE, Capability.OPEN_FILE_REFUSAL})


class ProcessBackend:
    """Makes containers out of processes."""

    def __init__(
        self,
        directory: Path,
        *,
        isolation: Isolation | None = None,
        hide: Sequence[Path] = (),
        entrypoint: str = ENTRYPOINT,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """
        Keep containers below `directory`, which containers do not see.

        `isolation` forces one instead of the best that works here; `hide` are further
        directories of the server; `environ` is where the interpreter's own settings come from.
        """
        self._directory = directory.absolute()
        self._forced = isolation
        self._hide = (self._directory, *(path.absolute() for path in hide))
        self._entrypoint = entrypoint
        self._nursery = Nursery(entrypoint, environ)
        self._finding: Finding | None = None
        self._cells: dict[str, Cell] = {}
        self._removals: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._is_prepared, self._preparing = False, asyncio.Lock()

    @property
    def zygote(self) -> int | None:
        """The process that containers are forked from, while there is one."""
        return self._nursery.pid

    @property
    def isolation(self) -> Isolation:
        """How far containers are apart from the rest."""
        return self._forced or self._probed().isolation

    @property
    def _is_plain(self) -> bool:
        return self.isolation is Isolation.PLAIN

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers can do on this machine."""
        if self._is_plain:
            has_proc = Path("/proc/self/fd").is_dir()
            return _PLAIN if has_proc else _PLAIN - {Capability.OPEN_FILE_REFUSAL}
        if seccomp.refusal():
            return _KERNEL - _WATCHED
        return _KERNEL if kernel.can_take_files() else _KERNEL - _SOCKETS

    @property
    def notice(self) -> str:
        """What user code will miss, in one line."""
        if not self._is_plain:
            blind = seccomp.refusal()
            return f"{_UNWATCHED} (the kernel cannot report calls: {blind})" if blind else ""
        why = "; ".join(self._probed().refusals) if self._forced is None else "as asked for"
        return (
            "volumes are copied directories that only Python's own file functions find, "
            "`sync` commits none and a full one is noticed when it is committed, and "
            "nothing else written is undone when a container ends, and the machine's ports are "
            "shared: "
            f"this machine lets no container mount ({why})"
        )

    @property
    def by_socket(self) -> bool:
        """They do."""
        return True

    def sweep(self) -> None:
        """Remove what is left of the containers of a server that was killed; slow."""
        sweep(self._directory / "containers")

    async def warm(self) -> None:
        """Make the first start as quick as later ones."""
        async with self._preparing:
            if not self._is_prepared:
                await asyncio.to_thread(self._prepare)
                self._is_prepared = True
        await self._nursery.warm()

    async def start(self, plan: Plan) -> Container:
        """
        Start a container; returns once its main process exists.

        Raises:
            EmulatorError: it could not be made; nothing of it is left and `on_exit` is not called.
        """
        await self.warm()
        job = self._job(plan)
        shadow = shadow_of(job) if self._is_plain else None
        copies = _copies(plan, job, shadow) if shadow else None
        scratches = {mount.volume_id: mount.view.scratch for mount in job.mounts}
        try:
            await asyncio.to_thread(_lay_out, plan, job, shadow, copies)
            cell = await self._start(plan, job, scratches)
        except BaseException:
            self._forget(job, scratches)
            self._remove(job)
            raise
        naps = None if plan.clock_page is None or plan.bare else Note(job.naps)
        return _Process(plan.container_id, cell, copies, scratches, naps)

    async def close(self) -> None:
        """End every container and leave nothing behind."""
        await asyncio.gather(*(cell.kill() for cell in tuple(self._cells.values())))
        await self._nursery.close()
        await asyncio.gather(*tuple(self._removals))
        if self._is_prepared:
            await asyncio.to_thread(remove_tree, self._directory / "containers")
            self._is_prepared = False

    async def _start(self, plan: Plan, job: Job, scratches: Mapping[str, Path]) -> Cell:
        for attempt in (1, 2):
            cell = Cell(
                plan,
                job,
                on_gone=lambda: self._forget(job, scratches),
                on_left=lambda: self._remove(job),
            )
            self._cells[plan.container_id] = cell
            try:
                if plan.has_web:
                    await self._nursery.preload(WEB)
                await cell.start(self._nursery)
            except ConnectionError:
                if attempt == 2:
                    raise
            else:
                break
        return cell

    def _probed(self) -> Finding:
        if self._finding is None:
            self._finding = probe(self._directory)
        return self._finding

    def _prepare(self) -> None:
        self.sweep()
        _ = self.isolation

    def _job(self, plan: Plan) -> Job:
        # Seeded ids come again while the files of the one before are still being removed.
        name = f"{plan.container_id}-{next(self._numbers)}"
        return Job(
            container_id=plan.container_id,
            isolation=self.isolation,
            directory=self._directory / "containers" / name,
            environment=plan.environment,
            mounts=plan.mounts,
            files=tuple(path.absolute() for path in plan.files),
            working_directory=plan.working_directory,
            socket=plan.socket and plan.socket.absolute(),
            hide=self._hide,
            entrypoint=self._entrypoint,
            clock_page=plan.clock_page,
            seen=plan.sight is not None and not plan.bare,
            bare=plan.bare,
            address=plan.address,
            source_address=plan.source_address,
        )

    def _forget(self, job: Job, scratches: Mapping[str, Path]) -> None:
        for scratch in scratches.values():
            clear_scratch(scratch)
        self._cells.pop(job.container_id, None)

    def _remove(self, job: Job) -> None:
        task = asyncio.ensure_future(asyncio.to_thread(remove_tree, job.directory))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)


class _Process:
    """One container, as the floors above hold it."""

    def __init__(
        self,
        container_id: str,
        cell: Cell,
        copies: Copies | None,
        scratches: dict[str, Path],
        naps: Note | None,
    ) -> None:
        self._container_id = container_id
        self._cell = cell
        self._copies = copies
        self._scratches = scratches
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
        """Only where the kernel mounts: what is copied has to be copied again in any case."""
        return self._copies is None

    async def detach(self, volume_id: str, *, pausing: bool = False) -> None:
        """Take the volume away, unless something in the container holds it."""
        if self._copies is None:
            await self._cell.ask({"do": "detach", "volume_id": volume_id, "pausing": pausing})
            clear_scratch(self._scratches[volume_id])
        else:
            await asyncio.to_thread(self._copies.detach, volume_id, self._cell.warden_pid)

    async def attach(self, volume_id: str, view: View) -> None:
        """Show the volume again."""
        self._scratches[volume_id] = view.scratch
        if self._copies is None:
            values = view_to_values(view)
            await self._cell.ask({"do": "attach", "volume_id": volume_id, "view": values})
        else:
            await asyncio.to_thread(self._copies.attach, volume_id, view)

    async def collect(self, volume_id: str) -> frozenset[int]:
        """Bring what the container wrote into `changes`, or ask what was stored there unseen."""
        if self._copies is None:
            try:
                answer = await self._cell.ask({"do": "collect", "volume_id": volume_id})
            except EmulatorError:
                return frozenset()  # it has ended, and with it all memory
            return frozenset(answer["stored"])
        await asyncio.to_thread(self._copies.collect, volume_id)
        return frozenset()

    async def execute(self, command: Command) -> Execution:
        """Run a command beside what runs there."""
        return await self._cell.execute(command)

    async def terminate(self) -> None:
        """Interrupt the main process; nothing to do when it has ended."""
        with suppress(EmulatorError):
            await self._cell.ask({"do": "terminate"})

    async def kill(self) -> None:
        """End every process of the container; returns when they are gone."""
        await self._cell.kill()


def _copies(plan: Plan, job: Job, shadow: Shadow) -> Copies:
    return Copies(job.volumes, shadow.inside, shadow.outside, stamps=plan.stamps)


def _lay_out(plan: Plan, job: Job, shadow: Shadow | None, copies: Copies | None) -> None:
    """Make the container's directory with what must be there before any process."""
    job.directory.mkdir(mode=0o700)
    (job.directory / "arguments").write_bytes(plan.arguments)
    if job.clock_page is not None:
        Note(job.naps, make=True)
    if shadow is not None and copies is not None:
        try:
            lay_shadow(job, shadow, copies)
        except (OSError, ValueError) as error:  # as a warden says it of what it lays out
            why = f"container {plan.container_id}: {type(error).__name__}: {error}"
            raise EmulatorError(why) from error

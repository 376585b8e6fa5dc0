"""
Commits and reloads of running containers, in the order that keeps them safe.

A commit reads what the container wrote without stopping it, and publishes it as a version; where
that is much, it stops the container for a moment and takes the files over instead of copying. A
reload first takes the volume away, which the backend refuses while anything holds it open, so that
nothing can be written between reading the changes and showing the new version. One lock per
volume of one container keeps its commits and reloads in a row; publishing itself is a single
step on the event loop, so versions of a volume are in one line whoever commits. What was begun
is finished, also when the caller goes away in the middle.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from modal_emulator.ground.errors import Conflict, EmulatorError, NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Container, Mount, OpenFiles
from modal_emulator.schedule.after_kill import AfterKill
from modal_emulator.schedule.faults import Faults
from modal_emulator.schedule.mounted import Mounted, MountPoint, view_of
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.schedule.tidying import Tidying
from modal_emulator.store.checkout import Staged
from modal_emulator.store.drafts import Budget, Heavy
from modal_emulator.store.history import Committer
from modal_emulator.store.layer import Change, named, telling
from modal_emulator.store.paths import show
from modal_emulator.store.volumes import UNBOUNDED, Volumes

__all__ = ["LIGHT", "Commits", "MountPoint"]

LOG = logging.getLogger("modal_emulator")

LIGHT = Budget(files=500, bytes=32 << 20)
"""What is copied sooner than a container can be stopped, its mount changed and let go on."""


class Commits:
    """Knows which container has which checkout, and moves them."""

    def __init__(
        self,
        volumes: Volumes,
        journal: Journal,
        after_kill: AfterKill = AfterKill.OBSERVED,
        faults: Faults | None = None,
    ) -> None:
        self._volumes = volumes
        self._journal = journal
        self._after_kill = after_kill
        self._faults = faults
        self._is_closing = False
        self._mounted: dict[tuple[str, str], Mounted] = {}
        self._containers: dict[str, Container] = {}
        self._who: dict[str, Callable[[str], Committer]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._keeping: dict[str, asyncio.Future[list[None]]] = {}
        self._tidying = Tidying(volumes, journal)
        self._mounting = Pulse()

    def prepare(self, container_id: str, points: tuple[MountPoint, ...]) -> tuple[Mount, ...]:
        """Check out the newest version of each volume for a container that is to start."""
        mounts = []
        for point in points:
            checkout = self._volumes.checkout(point.volume_id, container_id)
            self._mounted[container_id, point.volume_id] = Mounted(point, checkout)
            mounts.append(Mount(point.volume_id, point.path, view_of(point, checkout)))
            self._journal.add(
                "volume.mounted",
                volume_id=point.volume_id,
                container_id=container_id,
                version=checkout.base.number,
            )
            self._mounting.beat()
        return tuple(mounts)

    def started(self, container: Container, who: Callable[[str], Committer]) -> None:
        """The container runs; `who` tells for the history who commits, given the occasion."""
        self._containers[container.container_id] = container
        self._who[container.container_id] = who

    def ended(
        self, container_id: str, *, abrupt: bool = False, final: bool = False
    ) -> "asyncio.Future[list[None]] | None":
        """
        The container is gone; what it did not commit goes with it, or is kept after a kill.

        With `final` it is committed in any case: nothing inside could do that.

        Returns what to wait for when something is being kept.
        """
        container = self._containers.pop(container_id, None)
        who = self._who.pop(container_id, None)
        keeping = []
        for key in [k for k in self._mounted if k[0] == container_id]:
            mounted = self._mounted.pop(key)
            kept = self._can_keep(mounted) if final else abrupt and self._keeps(mounted)
            if kept and container and who:
                by = who("exit" if final else "kill")
                keeping.append(self._begin(self._keep(container, mounted, by)))
            elif container and self._can_keep(mounted) and not mounted.saved:
                keeping.append(self._begin(self._leave(container, mounted)))
            elif mounted.lock.locked():
                self._begin(self._release(mounted))
            else:
                self._volumes.release(mounted.checkout)
        if not keeping:
            return None
        together = asyncio.gather(*keeping)
        self._keeping[container_id] = together
        together.add_done_callback(lambda _: self._keeping.pop(container_id, None))
        return together

    async def kept(self, container_id: str) -> None:
        """Return once all that is kept of a container that is gone is in its volumes."""
        if keeping := self._keeping.get(container_id):
            await asyncio.wait([keeping])

    def closing(self) -> None:
        """From now on containers end because everything does: nothing is kept after a kill."""
        self._is_closing = True

    async def close(self) -> None:
        """Return once everything that was begun is done."""
        while self._work:
            await asyncio.wait(self._work)

    async def any_mounted(self) -> None:
        """Return when a container mounts a volume."""
        while not self._mounted:
            await self._mounting.wait()

    def volumes_of(self, container_id: str) -> tuple[str, ...]:
        """Return the ids of the volumes that the container mounts and may write."""
        return tuple(
            volume_id
            for (holder, volume_id), mounted in self._mounted.items()
            if holder == container_id and not mounted.point.read_only
        )

    def seen(self, volume_id: str) -> tuple[tuple[str, int], ...]:
        """Return the containers that show the volume, each with the version that it is on."""
        return tuple(
            (holder, mounted.checkout.base.number)
            for (holder, shown), mounted in sorted(self._mounted.items())
            if shown == volume_id
        )

    def version(self, container_id: str, volume_id: str) -> int:
        """Return the version that a container is on; 0 if it does not mount the volume."""
        mounted = self._mounted.get((container_id, volume_id))
        return 0 if mounted is None else mounted.checkout.base.number

    async def commit(self, container_id: str | None, volume_id: str, via: str) -> None:
        """
        Publish what the container changed.

        Raises:
            Conflict: not called from a container that mounts the volume; the exact text is
                Modal's (modal-semantics 1.3 [observed]).
        """
        mounted = self._find(container_id, volume_id)
        if mounted is None or container_id is None:
            raise Conflict("commit() can only be called on a mounted volume inside a container")
        await asyncio.shield(self._begin(self._commit(container_id, mounted, via)))

    async def reload(self, container_id: str | None, volume_id: str) -> None:
        """
        Publish what is pending and show the newest version.

        Raises:
            OpenFiles: something in the container holds the volume; nothing was changed.
            Conflict: not called from a container that mounts the volume; the exact text is
                Modal's (modal-semantics 1.4 [observed]).
        """
        mounted = self._find(container_id, volume_id)
        if mounted is None or container_id is None:
            raise Conflict("reload() can only be called from within a running function")
        await asyncio.shield(self._begin(self._reload(container_id, mounted)))

    async def reload_all(self, container_id: str) -> None:
        """Reload each volume of a container; raises as `reload`, which ends it there."""
        for holder, volume_id in tuple(self._mounted):
            if holder == container_id:
                await self.reload(container_id, volume_id)

    async def pending(self, container_id: str, volume_id: str) -> tuple[Change, ...]:
        """Return what a commit would publish now, or raise Heavy; nothing is changed."""
        mounted = self._find(container_id, volume_id)
        if mounted is None or mounted.point.read_only:
            return ()
        async with mounted.lock:
            mounted.stored |= await self._containers[container_id].collect(volume_id)
            if (staged := await self._stage(mounted, LIGHT)) is None:
                return ()
            self._volumes.discard(mounted.checkout, staged)
            return staged.written.changes

    async def sync(self, container_id: str, volume_id: str) -> None:
        """
        Commit because a program of the container asks for it, which is told success or failure.

        Raises:
            EmulatorError: nothing was committed.
        """
        try:
            await self.commit(container_id, volume_id, "sync")
        except EmulatorError as error:
            self._journal.add(
                "volume.sync-failed",
                volume_id=volume_id,
                container_id=container_id,
                error=repr(error),
            )
            raise

    async def _commit(self, container_id: str, mounted: Mounted, via: str) -> None:
        if mounted.point.read_only:
            return
        container, who = self._containers[container_id], self._who[container_id]
        async with mounted.lock:
            mounted.stored |= await container.collect(mounted.point.volume_id)
            try:
                staged = await self._stage(mounted, LIGHT if container.can_pause else UNBOUNDED)
            except Heavy:
                # Whoever syncs the mount point has it open: it cannot be taken away.
                if via != "sync" and await self._take_over(container, mounted, who(via)):
                    return
                staged = await self._stage(mounted, UNBOUNDED)
            if staged is not None:
                self._publish(mounted, staged, who(via))
            mounted.stored, mounted.saved = frozenset(), who(via).via == "exit"

    async def _stage(self, mounted: Mounted, budget: Budget) -> Staged | None:
        return await asyncio.to_thread(
            self._volumes.stage, mounted.checkout, budget, mounted.stored
        )

    async def _stage_still(self, mounted: Mounted) -> Staged | None:
        return await asyncio.to_thread(self._volumes.stage_still, mounted.checkout, mounted.stored)

    async def _take_over(self, container: Container, mounted: Mounted, by: Committer) -> bool:
        """Commit without copying, if nothing in the container holds the volume."""
        volume_id = mounted.point.volume_id
        try:
            await container.detach(volume_id, pausing=True)
        except OpenFiles:
            return False
        try:
            staged = await self._stage_still(mounted)
            if staged is not None:
                self._replace(mounted, staged, by, newest=False)
            mounted.stored = frozenset()
        finally:
            await container.attach(volume_id, view_of(mounted.point, mounted.checkout))
        return True

    async def _reload(self, container_id: str, mounted: Mounted) -> None:
        container, who = self._containers[container_id], self._who[container_id]
        volume_id = mounted.point.volume_id
        async with mounted.lock:
            await container.detach(volume_id)
            try:
                mounted.stored |= await container.collect(volume_id)
                await self._renew(mounted, who("reload"))
            finally:
                await container.attach(volume_id, view_of(mounted.point, mounted.checkout))
        self._journal.add(
            "volume.reload",
            volume_id=volume_id,
            container_id=container_id,
            version=mounted.checkout.base.number,
        )

    async def _renew(self, mounted: Mounted, by: Committer) -> None:
        """Publish what is pending in a view that nobody sees, and go on with the newest version."""
        staged = None
        if not mounted.point.read_only:
            staged = await self._stage_still(mounted)
        if staged is None:
            mounted.checkout = self._volumes.advance(mounted.checkout)
        else:
            self._replace(mounted, staged, by, newest=True)
        mounted.stored = frozenset()

    def _publish(self, mounted: Mounted, staged: Staged, by: Committer) -> None:
        self._let_pass(mounted, staged, by)
        self._volumes.publish(mounted.checkout, staged, by)
        self._begin(self._tidying.tidy(mounted.point.volume_id))

    def _replace(self, mounted: Mounted, staged: Staged, by: Committer, *, newest: bool) -> None:
        self._let_pass(mounted, staged, by)
        mounted.checkout = self._volumes.replace(mounted.checkout, staged, by, newest=newest)
        self._begin(self._tidying.tidy(mounted.point.volume_id))

    def _let_pass(self, mounted: Mounted, staged: Staged, by: Committer) -> None:
        """Ask whether this commit is to fail; what is in it then stays pending."""
        if self._faults is None or not staged.written.changes:
            return
        try:
            paths = (show(change.parts) for change in telling(staged.written.changes))
            self._faults.before_commit(mounted.point.volume_id, by, paths)
        except EmulatorError:
            self._volumes.discard(mounted.checkout, staged)
            raise

    def _can_keep(self, mounted: Mounted) -> bool:
        return not (self._is_closing or mounted.point.read_only)

    def _keeps(self, mounted: Mounted) -> bool:
        if not self._can_keep(mounted):
            return False
        try:
            return self._after_kill.keeps(self._volumes.get(mounted.point.volume_id).version)
        except NotFound:  # deleted meanwhile, and nothing to keep it in
            return False

    async def _keep(self, container: Container, mounted: Mounted, by: Committer) -> None:
        """Commit in the container's place: it is gone, so nothing moves under the commit."""
        async with mounted.lock:
            try:
                if not self._is_closing:
                    with suppress(EmulatorError):  # what the kernel wrote needs no collecting
                        await container.collect(mounted.point.volume_id)
                    # Nobody is left to ask which files were stored into through memory. Those
                    # known to be are compared anyway; taking all others for changed would
                    # overwrite what others have committed since.
                    await self._save(container, mounted, by)
            except (EmulatorError, OSError) as error:
                self._journal.add(
                    "volume.kill-commit-failed",
                    volume_id=mounted.point.volume_id,
                    container_id=by.container_id,
                    error=repr(error),
                )
            finally:
                self._volumes.release(mounted.checkout)

    async def _save(self, container: Container, mounted: Mounted, by: Committer) -> None:
        if not container.outlives_itself:
            await self._renew(mounted, by)
        elif (staged := await self._stage(mounted, UNBOUNDED)) is not None:
            self._publish(mounted, staged, by)  # copies: what is still open is not the layer's

    async def _leave(self, container: Container, mounted: Mounted) -> None:
        """Say what goes with a container that has not committed it, and let it go."""
        async with mounted.lock:
            try:
                with suppress(EmulatorError):
                    await container.collect(mounted.point.volume_id)
                staged = await self._stage_still(mounted)
                if staged is not None:
                    paths, removed, _ = named(staged.written.changes, staged.written.seen)
                    self._volumes.discard(mounted.checkout, staged)
                    self._journal.add(
                        "volume.lost",
                        volume_id=mounted.point.volume_id,
                        container_id=container.container_id,
                        paths=paths,
                        removed=removed,
                    )
            except (EmulatorError, OSError) as error:
                LOG.debug("what went with %s is not known: %s", container.container_id, error)
            finally:
                self._volumes.release(mounted.checkout)

    async def _release(self, mounted: Mounted) -> None:
        async with mounted.lock:
            self._volumes.release(mounted.checkout)

    def _begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _find(self, container_id: str | None, volume_id: str) -> Mounted | None:
        # An unknown volume is told as such, also to a caller that has mounted nothing.
        self._volumes.get(volume_id)
        if container_id is None or container_id not in self._containers:
            return None
        return self._mounted.get((container_id, volume_id))

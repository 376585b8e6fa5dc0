"""
Places of thread containers made by kernel mounts.

The root of a process container, built in the mount namespace of one thread: what is seen at a path
is the kernel's doing, so C libraries, memory maps and programs see it as well. Threads that the
container's threads start, and their programs, are in it too; nobody else is.
"""

import itertools
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from modal_emulator.ground.clock import rest
from modal_emulator.runtime import kernel, seccomp
from modal_emulator.runtime.backend import Capability, OpenFiles, Plan, View
from modal_emulator.runtime.disk import VOLUMES
from modal_emulator.runtime.holders import is_held_by, processes_in
from modal_emulator.runtime.inline.place import Place
from modal_emulator.runtime.inline.storing import take_noted
from modal_emulator.runtime.job import Isolation, Job
from modal_emulator.runtime.leftovers import remove_tree
from modal_emulator.runtime.mountinfo import is_in, mounted
from modal_emulator.runtime.mounts import Mounts
from modal_emulator.runtime.outline import python_needs
from modal_emulator.runtime.overlay import Privilege, clear_scratch
from modal_emulator.runtime.root import Root
from modal_emulator.runtime.stores import Stores

__all__ = ["MountedPlaces"]

_LOOK, _LOOKS = 0.005, 200  # seconds; a fork becomes a program in less than a millisecond


class MountedPlaces:
    """Makes places by mounting."""

    def __init__(self, directory: Path, isolation: Isolation, hide: Sequence[Path] = ()) -> None:
        """
        Keep them below `directory`; containers see neither that nor what is in `hide`.

        `isolation` is `Isolation.ROOT`, or `Isolation.USER` in a user namespace that this process
        has entered already.
        """
        self._directory = directory.absolute()
        self._isolation = isolation
        self._hide = (self._directory, *(path.absolute() for path in hide))
        self._numbers = itertools.count(1)
        self._memory: str | None = None

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers in such a place can do."""
        offered = {Capability.EPHEMERAL_DISK, Capability.REAL_MOUNTS, Capability.OPEN_FILE_REFUSAL}
        if not seccomp.refusal() and kernel.can_take_files():
            offered.add(Capability.PROXIES)
        return frozenset(offered)

    @property
    def notice(self) -> str:
        """What such places cannot do here, in one line."""
        return ""

    def place(self, plan: Plan) -> Place:
        """Return the place of one container; nothing is made yet."""
        # Seeded ids come again while the keeper of the one before still removes its files.
        name = f"{plan.container_id}-{next(self._numbers)}"
        directory = self._directory / "containers" / name
        job = Job(
            container_id=plan.container_id,
            isolation=self._isolation,
            directory=directory,
            environment=plan.environment,
            mounts=plan.mounts,
            files=tuple(path.absolute() for path in plan.files),
            working_directory=plan.working_directory,
            socket=directory / "server",  # threads need none
            hide=self._hide,
            entrypoint="",
        )
        return _Mounted(job, self._size)

    def close(self) -> None:
        """Nothing to do: nothing but the containers' own threads was changed."""

    @property
    def _size(self) -> str:
        """As `_Mounted` takes it."""
        if self._memory is None:
            self._memory = _size_of_memory(self._directory)
        return self._memory


class _Mounted:
    """One container's files."""

    def __init__(self, job: Job, memory: str) -> None:
        """
        Plan them; nothing is made yet.

        `memory` are the options of a tmpfs for what the container writes outside volumes, empty
        where that goes to a disk.
        """
        self._job, self._memory = job, memory
        self._privilege = Privilege(root=job.isolation is Isolation.ROOT)
        self._mounts = Mounts(job.directory, self._privilege)
        self._scratches = {mount.volume_id: mount.view.scratch for mount in job.mounts}
        self._stores = Stores("/proc", self._processes)
        self._root: Root | None = None
        self._is_mounted = False

    def build(self) -> None:
        """On the keeper: make a namespace, and everything in it."""
        self._job.directory.mkdir(parents=True, mode=0o700)
        try:
            if self._job.isolation is Isolation.USER:
                kernel.take_up_rights()
            kernel.unshare(kernel.NEW_MOUNTS | kernel.OWN_DIRECTORIES)
            kernel.mount(None, "/", None, kernel.RECURSIVE | kernel.PRIVATE)
            self._mount_directory(str(self._job.directory))
            self._is_mounted = True
            self._root = Root(
                self._job,
                _needs(),
                self._privilege,
                for_threads=True,
                is_apart=bool(self._memory),
            )
            self._root.build()
            for mount in self._job.mounts:
                self._show(mount.volume_id, mount.view)
        except BaseException:
            self.leave()
            self.remove()
            raise

    def enter(self) -> None:
        """On the main thread: go into the root, and to the working directory."""
        assert self._root is not None  # it is built
        kernel.unshare(kernel.OWN_DIRECTORIES)
        os.chroot(self._root.path)
        os.umask(0o022)
        os.makedirs(self._job.working_directory, exist_ok=True)  # noqa: PTH103
        os.chdir(self._job.working_directory)

    def attach(self, volume_id: str, view: View) -> None:
        """On the keeper: show the volume again."""
        self._scratches[volume_id] = view.scratch
        self._show(volume_id, view)

    def detach(self, volume_id: str) -> None:
        """On the keeper: take the volume away."""
        for left in reversed(range(_LOOKS)):
            try:
                self._mounts.detach(volume_id)
                break
            except OpenFiles:
                if not left or self._is_held(volume_id):
                    raise
            rest(_LOOK)
        clear_scratch(self._scratches[volume_id])

    def collect(self, volume_id: str) -> frozenset[int]:
        """On the keeper: the kernel writes there by itself, but not every store has a stamp."""
        for path in take_noted(self._job.container_id):
            for shown in self._mounts.shown:
                inner = path.removeprefix(f"{VOLUMES}/{shown.volume_id}/")
                if inner != path:
                    self._stores.note(shown, f"{shown.path}/{inner}")
        shown_now = [each for each in self._mounts.shown if each.volume_id == volume_id]
        for shown in shown_now:
            if not shown.view.read_only and kernel.is_used(shown.targets[0]):
                self._stores.note_mapped(shown)  # a look at all that this process has mapped
        return frozenset(self._stores.take(volume_id, shown_now))

    def leave(self) -> None:
        """On the keeper: take all mounts away, and the disk."""
        if self._is_mounted:
            kernel.detach(self._job.directory)
            self._is_mounted = False
        take_noted(self._job.container_id)
        for scratch in self._scratches.values():
            clear_scratch(scratch)

    def remove(self) -> None:
        """On the keeper: delete the disk."""
        if self._is_mounted:
            return
        if self._memory:
            with suppress(OSError):
                self._job.directory.rmdir()
        else:
            remove_tree(self._job.directory)

    def _mount_directory(self, directory: str) -> None:
        """Make it a mount of its own, to take away all that is mounted inside in one step."""
        if self._memory:  # and all files, none of which has to be removed by its name then
            kernel.mount("tmpfs", directory, "tmpfs", 0, self._memory)
        else:
            kernel.mount(directory, directory, None, kernel.BIND)

    def _is_held(self, volume_id: str) -> bool:
        """
        Tell whether somebody of the container holds the volume.

        A program that any thread of this process starts has, for a moment, whatever was open when
        it was forked: closed files then seem to be held.
        """
        path = next(Path(each.path) for each in self._mounts.shown if each.volume_id == volume_id)
        if is_held_by(path, os.getpid()):
            return True
        namespace = os.readlink("/proc/thread-self/ns/mnt")  # noqa: PTH115
        holding = {pid for pid in processes_in(namespace) if is_held_by(path, pid)}
        if holding:
            rest(_LOOK)
        return any(is_held_by(path, pid) for pid in holding)

    def _processes(self) -> list[int]:
        # Whether there are others it takes too long to find out for each commit; a file that only
        # they have mapped, and changed in no other way since the last commit, is missed.
        return [os.getpid()]

    def _show(self, volume_id: str, view: View) -> None:
        assert self._root is not None  # it is being built
        self._mounts.attach(volume_id, view, self._root.place_of(volume_id))


def _size_of_memory(directory: Path) -> str:
    """Return the options of a tmpfs as large as the one that a directory is in, else nothing."""
    around = [m for m in mounted() if is_in(str(directory.resolve()), m.path)]
    if not around or max(around, key=lambda m: len(m.path)).kind != "tmpfs":
        return ""
    room = os.statvfs(directory)
    return f"mode=700,size={room.f_blocks * room.f_frsize},nr_inodes={room.f_files}"


def _needs() -> tuple[str, ...]:
    # To look at each directory takes as long as several mounts.
    return _needs_of(sys.prefix, *sys.path)


@lru_cache(maxsize=8)
def _needs_of(*_where: str) -> tuple[str, ...]:
    return python_needs()

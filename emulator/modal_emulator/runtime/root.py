"""
A container's root directory, put together from mounts.

Runs in a warden or a keeper, in a mount namespace of its own: nothing of this is seen outside,
and all of it is gone when the container's last process or thread ends.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from modal_emulator.runtime import kernel
from modal_emulator.runtime.disk import ARGUMENTS, SERVER, VOLUMES, Disk
from modal_emulator.runtime.job import Isolation, Job
from modal_emulator.runtime.mountinfo import mounted
from modal_emulator.runtime.outline import FRESH, ROOT, Point, draw
from modal_emulator.runtime.overlay import Privilege, Stack, show_merged, stack_up

__all__ = ["Root"]

_FORBIDDING = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME


class Root:
    """Builds and knows one container's root."""

    def __init__(
        self,
        job: Job,
        needs: Sequence[str],
        privilege: Privilege,
        *,
        for_threads: bool = False,
        is_apart: bool = False,
    ) -> None:
        """
        Plan the root of `job`; Python loads its code from `needs`.

        The job's directory is a file system of its own if it `is_apart`.
        Threads of the calling process see its own processes, and no entrypoint among them reads
        arguments or asks the server through a socket.
        """
        self._job = job
        self._for_threads = for_threads
        self._privilege = privilege
        self._links = job.directory / "links"
        self.path = job.directory / "root"
        """The container's `/`, as seen from outside."""
        veil, mounts = job.directory / "veil", mounted()
        files = self._merge(job.files)
        kept = [mount.path for mount in job.mounts] if for_threads else None
        self._outline = draw(job.isolation, files, needs, mounts, str(veil), kept)
        if job.isolation is Isolation.ROOT:
            _make_veil(veil, self._outline.fresh, is_apart=is_apart)
        self._disk = Disk(f"{job.directory}/disk", self._outline)

    def build(self) -> None:
        """
        Mount everything but the volumes.

        Raises:
            OSError: the kernel refuses.
            ValueError: a mount path cannot be made.
        """
        self._disk.prepare()
        if not self._for_threads:
            self._disk.write(ARGUMENTS, (self._job.directory / "arguments").read_bytes())
            if self._job.socket is not None:
                self._disk.write(SERVER, b"")
        linked = {self._disk.link_volume(m.path, m.volume_id) for m in self._job.mounts}
        self.path.mkdir()
        for point in self._outline.points:
            self._show(point, is_linked=point.path in linked)
        for path in self._outline.fixed:
            self._show_fixed(path)
        self._show_system()
        if not self._for_threads and self._job.socket is not None:
            kernel.mount(self._job.socket, self.inside(SERVER), None, kernel.BIND)
        self._hide()

    def inside(self, path: str) -> Path:
        """Return where `path` of the container is seen from outside."""
        return self.path / path.lstrip("/")

    def place_of(self, volume_id: str) -> Path:
        """Return the directory to mount a volume at."""
        return self.inside(f"{VOLUMES}/{volume_id}")

    def _merge(self, trees: Sequence[Path]) -> tuple[str, ...]:
        """
        Make one of the read-only trees.

        Also a single one needs that: directories inside `/` cannot be stacked over `/` (ELOOP),
        but what is mounted can.
        """
        if not trees:
            return ()
        whole = self._job.directory / "files"
        whole.mkdir()
        show_merged(trees, whole, self._privilege, self._links)
        return (str(whole),)

    def _show(self, point: Point, *, is_linked: bool) -> None:
        target = self.inside(point.path)
        stack = Stack(point.lowers, self._disk.changes(point), self._disk.scratch(point))
        try:
            stack_up(stack, target, self._privilege, self._links)
        except OSError:
            # Something is mounted in it, or a file system that cannot be stacked: show it as it
            # is, but never let a container write to the machine's own files.
            if point.path == ROOT or is_linked or len(point.lowers) != 1:
                raise
            with suppress(OSError):
                self._show_fixed(point.path)

    def _show_fixed(self, path: str) -> None:
        place = self.inside(path)
        kernel.mount(path, place, None, kernel.BIND | kernel.RECURSIVE)
        # What a mount forbids already, a user's namespace may not allow again.
        kept = os.statvfs(place).f_flag & _FORBIDDING
        kernel.mount(None, place, None, kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | kept)

    def _show_system(self) -> None:
        proc, together = self.inside("/proc"), kernel.BIND | kernel.RECURSIVE
        try:
            if self._for_threads:
                kernel.mount("/proc", proc, None, together)
            else:
                kernel.mount("proc", proc, "proc")
        except OSError:
            # Refused where parts of the machine's own /proc are covered (unprivileged Docker).
            kernel.mount("/proc", proc, None, together)
        for name in ("/sys", "/dev"):
            kernel.mount(name, self.inside(name), None, together)
        shared = self.inside("/dev/shm")  # noqa: S108
        if shared.is_dir():
            kernel.mount("tmpfs", shared, "tmpfs", 0, "mode=1777")

    def _hide(self) -> None:
        nothing = self._job.directory / "nothing"
        nothing.mkdir(exist_ok=True)
        for path in self._job.hide:
            place = self.inside(str(path.resolve()))
            if os.path.isdir(place):  # noqa: PTH112  (never raises)
                kernel.mount(nothing, place, None, kernel.BIND)


def _make_veil(veil: Path, fresh: Sequence[str], *, is_apart: bool) -> None:
    """Make a directory that hides the machine's `fresh` ones when it is stacked over `/`."""
    veil.mkdir(mode=0o755)
    if not is_apart:  # what is part of `/` cannot be: ELOOP
        kernel.mount("tmpfs", veil, "tmpfs", 0, "size=1m,mode=755")
    for path in fresh:
        place = veil / path.lstrip("/")
        place.mkdir(parents=True)
        place.chmod(FRESH[path])
        os.setxattr(place, "trusted.overlay.opaque", b"y")

"""
Which directories of the machine a container's root is made of.

A root is one stack at `/` and further stacks inside it, because the kernel stacks one file
system at a time and lets an ordinary user stack only directories that nothing is mounted in.
This room looks and decides; it mounts and writes nothing. Paths are plain strings: it runs for
each container, and pathlib would take most of the start.

As on Modal `/root` and `/tmp` start empty but for what the image and local code bring: a file
of the developer's home that happens to be there must not make an app work here only. What
Python itself needs from inside them is shown all the same.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.mountinfo import Mounted, is_in

__all__ = ["FRESH", "ROOT", "SYSTEM", "Outline", "Point", "below", "draw", "python_needs"]

ROOT = "/"
FRESH = {"/root": 0o700, "/tmp": 0o1777}  # noqa: S108
SYSTEM = ("/proc", "/sys", "/dev")
_LEFT_OUT = (
    *SYSTEM,
    "/boot",
    "/snap",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/snap",
)
_COPIED_AT_MOST = 1 << 20
_KERNEL_KINDS = (
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl "
    "hugetlbfs mqueue nsfs proc pstore rpc_pipefs securityfs selinuxfs sysfs tracefs"
)


@dataclass(frozen=True, slots=True)
class Point:
    """A path in the container and the directories seen there, the first on top."""

    path: str
    lowers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """A whole root: its points with parents first, and loose entries to write by hand."""

    points: tuple[Point, ...]
    fresh: tuple[str, ...]
    """Directories that hide what the machine has there."""
    links: tuple[tuple[str, str], ...] = ()
    copies: tuple[str, ...] = ()
    """Single files that cannot be stacked, such as a mounted /etc/resolv.conf."""
    fixed: tuple[str, ...] = ()
    """Directories shown as they are, for reading only."""

    def owner(self, path: str) -> Point:
        """Return the point that `path` is seen through."""
        return max((p for p in self.points if is_in(path, p.path)), key=lambda p: len(p.path))

    def sources(self, path: str) -> Iterator[str]:
        """Yield where the machine may have what is seen at `path`, the first on top."""
        point = self.owner(path)
        hidden = point.path == ROOT and any(is_in(path, fresh) for fresh in self.fresh)
        for lower in point.lowers:
            if not (hidden and lower == ROOT):
                yield lower + below(path, point.path)


def below(path: str, top: str) -> str:
    """Return what `path` adds to `top`: nothing, or a slash and more."""
    return path[len(top.rstrip("/")) :].rstrip("/")


def python_needs() -> tuple[str, ...]:
    """Return the directories that this very interpreter loads its code from."""
    names = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    # A whole fresh directory on the path is somebody's project, which containers do not have.
    names |= {name for name in sys.path if name not in (ROOT, *FRESH)}
    names.add(os.path.dirname(os.path.realpath(sys.executable)))  # noqa: PTH120
    paths = {os.path.abspath(name) for name in names if name and os.path.exists(name)}  # noqa: PTH100, PTH110
    return _topmost(paths | {os.path.realpath(path) for path in paths})


def draw(
    isolation: Isolation,
    files: Sequence[str],
    needs: Sequence[str],
    mounts: Sequence[Mounted],
    veil: str,
    kept: Sequence[str] | None = None,
) -> Outline:
    """
    Decide the root of a container that shows `files` over this machine.

    `veil` is a directory with nothing but the fresh ones, marked so that they hide others. With
    `kept`, paths that something will be put at, what Python needs inside fresh directories is only
    for reading, but for what is at or around such a path: stacks take a while to make.
    """
    # Python installed right in a fresh directory: show that directory as it is.
    fresh = tuple(each for each in FRESH if not any(is_in(each, need) for need in needs))
    pencil = _Pencil(tuple(files), fresh, tuple(mounts))
    if isolation is Isolation.ROOT:
        pencil.points.append(Point(ROOT, (*files, veil, ROOT)))
        for mount in mounts:
            pencil.add_mount(mount)
    else:
        pencil.points.append(Point(ROOT, tuple(files)))
        pencil.add_children(ROOT)
    for need in needs:
        if not any(is_in(need, each) for each in fresh):
            continue
        if kept is not None and _is_apart(need, kept, files):
            pencil.fixed.append(need)
            continue
        pencil.add_point(need)
        if isolation is Isolation.ROOT:
            pencil.add_inside(need)
    loose = tuple(pencil.links), tuple(pencil.copies), tuple(pencil.fixed)
    return Outline(tuple(pencil.points), fresh, *loose)


def _is_apart(need: str, kept: Sequence[str], files: Sequence[str]) -> bool:
    """Tell whether nothing is to be put into a directory."""
    is_kept = any(is_in(path, need) for path in kept)
    return not is_kept and not any(os.path.exists(tree + need) for tree in files)  # noqa: PTH110


class _Pencil:
    """Draws an outline, point by point."""

    def __init__(
        self, files: tuple[str, ...], fresh: tuple[str, ...], mounts: tuple[Mounted, ...]
    ) -> None:
        self._files = files
        self._left_out = (*_LEFT_OUT, *fresh)
        self._mounts = [mount.path for mount in mounts]
        self._of_kernel = {m.path for m in mounts if m.kind in _KERNEL_KINDS.split()}
        self.points: list[Point] = []
        self.links: list[tuple[str, str]] = []
        self.copies: list[str] = []
        self.fixed: list[str] = []

    def add_point(self, path: str) -> None:
        """Show the directory `path` of the machine, under what `files` have there."""
        over = tuple(files + path for files in self._files if stat.S_ISDIR(_mode(files + path)))
        self.points.append(Point(path, (*over, path)))

    def add_mount(self, mount: Mounted) -> None:
        """Show what is mounted, which a stack of `/` does not."""
        if mount.path == ROOT or mount.path in self._of_kernel:
            return
        mode = 0 if self._is_left_out(mount.path) else _mode(mount.path)
        if stat.S_ISDIR(mode):
            self.add_point(mount.path)
        elif stat.S_ISREG(mode):
            self.copies.append(mount.path)

    def add_inside(self, path: str) -> None:
        """Show what is mounted inside `path`."""
        for mount in self._mounts:
            if mount != path and is_in(mount, path):
                self.add_point(mount)

    def add_children(self, directory: str) -> None:
        """Show each entry of a directory that cannot be stacked as a whole."""
        try:
            names = sorted(os.listdir(directory))  # noqa: PTH208
        except PermissionError:
            return
        for name in names:
            path = f"{directory.rstrip('/')}/{name}"
            # Such as a network that Docker keeps under a name: a file that cannot be read.
            mode = 0 if path in self._of_kernel else _mode(path)
            if stat.S_ISLNK(mode):
                self.links.append((path, os.readlink(path)))  # noqa: PTH115
            elif stat.S_ISDIR(mode) and not self._is_left_out(path):
                self._add_directory(path)
            elif stat.S_ISREG(mode) and os.lstat(path).st_size <= _COPIED_AT_MOST:
                self.copies.append(path)

    def _add_directory(self, path: str) -> None:
        is_whole = not any(mount != path and is_in(mount, path) for mount in self._mounts)
        if is_whole or _is_heavy(path):
            self.add_point(path)
        else:
            self.add_children(path)

    def _is_left_out(self, path: str) -> bool:
        return any(is_in(path, top) for top in self._left_out)


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _is_heavy(directory: str) -> bool:
    """Tell whether a directory has files of its own that are too much to copy."""
    try:
        with os.scandir(directory) as entries:
            files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
            return sum(file.stat().st_size for file in files) > _COPIED_AT_MOST
    except OSError:
        return True


def _topmost(paths: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for path in sorted(paths):
        if not any(is_in(path, other) for other in found):
            found.append(path)
    return tuple(found)

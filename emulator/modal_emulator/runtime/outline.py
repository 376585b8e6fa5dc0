"""
Which directories of the machine a container's root is made of.

A root is one stack at `/` and further stacks inside it, because the kernel stacks one file
system at a time and lets an ordinary user stack only directories that nothing is mounted in.
This room looks and decides; it mounts and writes nothing.

As on Modal `/root` and `/tmp` start empty but for what the image and local code bring: a file
of the developer's home that happens to be there must not make an app work here only. What
Python itself needs from inside them is shown all the same.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.mountinfo import Mounted

__all__ = ["FRESH", "SYSTEM", "Outline", "Point", "draw", "python_needs"]

ROOT = Path("/")
FRESH = {Path("/root"): 0o700, Path("/tmp"): 0o1777}  # noqa: S108
SYSTEM = (Path("/proc"), Path("/sys"), Path("/dev"))
_LEFT_OUT = tuple(
    map(
        Path,
        (
            "/boot",
            "/snap",
            "/var/lib/containerd",
            "/var/lib/containers",
            "/var/lib/docker",
            "/var/lib/kubelet",
            "/var/snap",
        ),
    )
)
_COPIED_AT_MOST = 1 << 20
_KERNEL_KINDS = (
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl "
    "hugetlbfs mqueue nsfs proc pstore rpc_pipefs securityfs selinuxfs sysfs tracefs"
)


@dataclass(frozen=True, slots=True)
class Point:
    """A path in the container and the directories seen there, the first on top."""

    path: Path
    lowers: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """A whole root: its points with parents first, and loose entries to write by hand."""

    points: tuple[Point, ...]
    fresh: tuple[Path, ...]
    """Directories that hide what the machine has there."""
    links: tuple[tuple[Path, str], ...] = ()
    copies: tuple[Path, ...] = ()
    """Single files that cannot be stacked, such as a mounted /etc/resolv.conf."""

    def owner(self, path: Path) -> Point:
        """Return the point that `path` is seen through."""
        return max(
            (p for p in self.points if path.is_relative_to(p.path)),
            key=lambda p: len(p.path.parts),
        )

    def sources(self, path: Path) -> Iterator[Path]:
        """Yield where the machine may have what is seen at `path`, the first on top."""
        point = self.owner(path)
        hidden = any(path.is_relative_to(f) for f in self.fresh) and point.path == ROOT
        for lower in point.lowers:
            if not (hidden and lower == ROOT):
                yield lower / path.relative_to(point.path)


def python_needs() -> tuple[Path, ...]:
    """Return the directories that this very interpreter loads its code from."""
    names = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path]
    names.append(str(Path(sys.executable).resolve().parent))
    paths = {Path(name) for name in names if name and Path(name).exists()}
    paths |= {path.resolve() for path in paths}
    return _topmost(paths)


def draw(
    isolation: Isolation,
    files: Sequence[Path],
    needs: Iterable[Path],
    mounts: Sequence[Mounted],
    veil: Path,
) -> Outline:
    """
    Decide the root of a container that shows `files` over this machine.

    `veil` is a directory with nothing but the fresh ones, marked so that they hide others.
    """
    needs = tuple(needs)
    # Python installed right in a fresh directory: show that directory as it is.
    fresh = tuple(f for f in FRESH if not any(f.is_relative_to(need) for need in needs))
    inside = tuple(need for need in needs if any(need.is_relative_to(f) for f in fresh))
    pencil = _Pencil(tuple(files), fresh, tuple(mounts))
    if isolation is Isolation.ROOT:
        pencil.points.append(Point(ROOT, (*files, veil, ROOT)))
        for mount in mounts:
            pencil.add_mount(mount)
    else:
        pencil.points.append(Point(ROOT, tuple(files)))
        pencil.add_children(ROOT)
    for need in inside:
        pencil.add_point(need)
        if isolation is Isolation.ROOT:
            pencil.add_below(need)
    return Outline(tuple(pencil.points), fresh, tuple(pencil.links), tuple(pencil.copies))


class _Pencil:
    """Draws an outline, point by point."""

    def __init__(
        self, files: tuple[Path, ...], fresh: tuple[Path, ...], mounts: tuple[Mounted, ...]
    ) -> None:
        self._files, self._fresh = files, fresh
        self._mounts = {m.path for m in mounts}
        self.points: list[Point] = []
        self.links: list[tuple[Path, str]] = []
        self.copies: list[Path] = []

    def add_point(self, path: Path) -> None:
        """Show the directory `path` of the machine, under what `files` have there."""
        relative = path.relative_to(ROOT)
        over = tuple(f / relative for f in self._files if (f / relative).is_dir())
        self.points.append(Point(path, (*over, path)))

    def add_mount(self, mount: Mounted) -> None:
        """Show what is mounted, which a stack of `/` does not."""
        if mount.path == ROOT or mount.kind in _KERNEL_KINDS.split() or self._left_out(mount.path):
            return
        mode = _mode(mount.path)
        if stat.S_ISDIR(mode):
            self.add_point(mount.path)
        elif stat.S_ISREG(mode):
            self.copies.append(mount.path)

    def add_below(self, path: Path) -> None:
        """Show what is mounted inside `path`."""
        for point in sorted(m for m in self._mounts if m != path and m.is_relative_to(path)):
            self.add_point(point)

    def add_children(self, directory: Path) -> None:
        """Show each entry of a directory that cannot be stacked as a whole."""
        try:
            names = sorted(os.listdir(directory))  # noqa: PTH208
        except PermissionError:
            return
        for name in names:
            path = directory / name
            mode = _mode(path)
            if stat.S_ISLNK(mode):
                self.links.append((path, os.readlink(path)))  # noqa: PTH115
            elif stat.S_ISDIR(mode) and not self._left_out(path):
                self._add_directory(path)
            elif stat.S_ISREG(mode) and path.lstat().st_size <= _COPIED_AT_MOST:
                self.copies.append(path)

    def _add_directory(self, path: Path) -> None:
        is_whole = not any(m != path and m.is_relative_to(path) for m in self._mounts)
        if is_whole or _is_heavy(path):
            self.add_point(path)
        else:
            self.add_children(path)

    def _left_out(self, path: Path) -> bool:
        return any(path.is_relative_to(p) for p in (*SYSTEM, *_LEFT_OUT, *self._fresh))


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _is_heavy(directory: Path) -> bool:
    """Tell whether a directory has files of its own that are too much to copy."""
    try:
        with os.scandir(directory) as entries:
            sizes = [e.stat(follow_symlinks=False).st_size for e in entries if _is_file(e)]
    except OSError:
        return True
    return sum(sizes) > _COPIED_AT_MOST


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)


def _topmost(paths: Iterable[Path]) -> tuple[Path, ...]:
    found: list[Path] = []
    for path in sorted(paths):
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return tuple(found)

"""
The directory that stands for parts of `/` where nothing can be mounted.

Says which paths are looked up there instead, and fills it with what a container is to find.
"""

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modal_emulator.runtime.backend import Mount
from modal_emulator.runtime.copies import Copies, copy_entry
from modal_emulator.runtime.leftovers import discard
from modal_emulator.runtime.merged import walk
from modal_emulator.runtime.mountinfo import is_in

__all__ = ["Shadow", "Site", "is_below", "lay_shadow", "shadow_of"]

_HOME, _MODAL = "/root", "/__modal"


@dataclass(frozen=True, slots=True)
class Shadow:
    """A mapping of paths, both ways."""

    directory: str
    prefixes: tuple[str, ...]
    """Absolute paths that are looked up below `directory`, with all that is in them."""
    read_only: tuple[str, ...] = ()
    """Those below which nothing may be written, as they are named inside."""
    kept: tuple[str, ...] = ()
    """Paths that are looked up where they are all the same: Python itself."""
    unlinked: tuple[str, ...] = ()
    """Those below which no hard links are made, as they are named inside."""

    def inside(self, path: str) -> str:
        """Return where the file system really has `path`."""
        if not path.startswith("/"):
            return path
        if self._is_redirected(path):
            return self.directory + path
        if "//" in path or "/." in path:
            plain = "/" + posixpath.normpath(path).lstrip("/")
            if self._is_redirected(plain):
                return self.directory + plain
        return path

    @property
    def start(self) -> None:
        """The working directory is the process's own."""
        return

    absolute = inside
    """Relative paths are the process's own, too."""

    def outside(self, path: str) -> str:
        """Return how user code names what the file system has at `path`."""
        if is_in(path, self.directory):
            return path[len(self.directory) :] or "/"
        return path

    def forbids(self, path: str, directory: int | None = None) -> bool:
        """Tell whether nothing may be written at `path`, as user code names it."""
        return bool(self.read_only) and is_below(self._whole(path), self.read_only)

    def forbids_link(self, path: str) -> bool:
        """Tell whether no hard link may be made at `path`, as user code names it."""
        return bool(self.unlinked) and is_below(self._whole(path), self.unlinked)

    def opened(self, file: int, path: str) -> None:
        """Nothing to do: who holds what is read from /proc."""

    def _whole(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.outside(os.getcwd()), path))  # noqa: PTH109

    def _is_redirected(self, path: str) -> bool:
        nearest = _nearest(path, self.prefixes)
        # A volume may be wanted inside what Python needs: the longer path says more.
        return nearest > 0 and nearest >= _nearest(path, self.kept)


class Site(Protocol):
    """What the shadow of one container is made from."""

    @property
    def shadow(self) -> Path:
        """The directory itself."""
        ...

    @property
    def volumes(self) -> Path:
        """Where the copies of volumes lie in it."""
        ...

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The volumes and where the user wants them."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """Trees of files to find over `/`."""
        ...

    @property
    def working_directory(self) -> str:
        """Where the container begins."""
        ...


def is_below(path: str, tops: Sequence[str]) -> bool:
    """Tell whether an absolute path is one of `tops` or lies below one."""
    return any(is_in(path, top) for top in tops)


def _nearest(path: str, tops: Sequence[str]) -> int:
    """Return the length of the longest of `tops` that an absolute path is in, or 0."""
    return max((len(top) for top in tops if is_in(path, top)), default=0)


def shadow_of(site: Site, needs: Sequence[str] = ()) -> Shadow:
    """Return the mapping for one container, which leaves alone what Python `needs`."""
    tops = {_HOME, _MODAL, *(mount.path for mount in site.mounts), *_tops(site.files)}
    # Where others may not look, Path.is_dir raises; this never does.
    if not os.path.isdir(site.working_directory):  # noqa: PTH112
        tops.add(posixpath.normpath(site.working_directory))
    return Shadow(
        directory=str(site.shadow),
        prefixes=tuple(sorted(tops)),
        read_only=_places(mount for mount in site.mounts if mount.view.read_only),
        unlinked=_places(
            mount
            for mount in site.mounts
            if mount.view.version == 1 and not mount.view.read_only  # which is said first
        ),
        kept=tuple(need for need in needs if any(is_in(need, top) for top in tops)),
    )


def _places(mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Return how user code can name the volumes."""
    return tuple(
        path for mount in mounts for path in (mount.path, f"{_MODAL}/volumes/{mount.volume_id}")
    )


def lay_shadow(site: Site, shadow: Shadow, copies: Copies) -> None:
    """
    Fill the shadow: files that the image and local code bring, volumes, links to them.

    Raises:
        ValueError: a mount path lies in another volume.
    """
    site.shadow.mkdir()
    for found in walk(site.files):
        copy_entry(found.source, site.shadow / found.path, shadow.inside)
    (site.shadow / _HOME[1:]).mkdir(parents=True, exist_ok=True)
    paths = {mount.path for mount in site.mounts}
    for mount in site.mounts:
        if not paths.isdisjoint(map(str, Path(mount.path).parents)):
            # What Modal does is unknown (modal-semantics 1.7), so nothing is shown in its place.
            raise ValueError(f"{mount.path} lies in another volume's mount path")
        copies.attach(mount.volume_id, mount.view)
        place = site.shadow / mount.path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        discard(place)
        place.symlink_to(site.volumes / mount.volume_id)


def _tops(trees: Sequence[Path], directory: str = "") -> Iterator[str]:
    """Yield the topmost paths that the trees have and the machine has not, or has otherwise."""
    names = {name for tree in trees if tree.is_dir() for name in os.listdir(tree)}  # noqa: PTH208
    for name in sorted(names):
        path = f"{directory}/{name}"
        try:
            is_shared = stat.S_ISDIR(os.lstat(path).st_mode)
        except OSError:
            is_shared = False
        if is_shared and path != _HOME:
            yield from _tops([tree / name for tree in trees], path)
        else:
            yield path

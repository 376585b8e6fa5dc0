"""
A container's ephemeral disk before the kernel shows it.

The disk is what takes all writes outside volumes: one directory for each point of the root's
outline. What must be in the root from the start (mount points, the links from the user's paths
to the volumes, single files) is written there directly, so that it hides whatever the machine
has at those paths at no cost.
"""

import os
import shutil
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path

from modal_emulator.runtime.outline import FRESH, ROOT, SYSTEM, Outline, Point

__all__ = ["ARGUMENTS", "SERVER", "VOLUMES", "Disk"]

ARGUMENTS = Path("/__modal/arguments")
SERVER = Path("/__modal/server.sock")
VOLUMES = Path("/__modal/volumes")  # where Modal mounts them; modal-semantics 1.7
_LINKS_AT_MOST = 40  # as in the kernel


class Disk:
    """Writes the first content of a container's ephemeral disk."""

    def __init__(self, directory: Path, outline: Outline) -> None:
        self._outline = outline
        self._places = {
            point.path: directory / format(number, "x")
            for number, point in enumerate(outline.points)
        }
        for point in outline.points:
            self.changes(point).mkdir(parents=True)
            self.scratch(point).mkdir()

    def changes(self, point: Point) -> Path:
        """Return the directory that takes what is written at this point."""
        return self._places[point.path] / "changes"

    def scratch(self, point: Point) -> Path:
        """Return the directory beside it for the kernel's use."""
        return self._places[point.path] / "scratch"

    def prepare(self) -> None:
        """Make every directory that something will be mounted at, and the loose entries."""
        for point in self._outline.points:
            self.ensure(point.path)
            self._make_mount_point(point.path)
        for path in (*SYSTEM, VOLUMES, *self._outline.fresh):
            self.ensure(path)
        for path, target in self._outline.links:
            self.ensure(path.parent)
            self._at(path).symlink_to(target)
        for path in self._outline.copies:
            self._copy(path)
        self.touch(SERVER)

    def touch(self, path: Path, content: bytes = b"") -> None:
        """Write a file."""
        self.ensure(path.parent)
        self._at(path).write_bytes(content)

    def link_volume(self, path: str, volume_id: str) -> Path:
        """
        Make the user's mount path a link to where the volume is mounted.

        Returns the path of the point that holds the link.

        Raises:
            ValueError: the path lies in another volume.
        """
        self.ensure(VOLUMES / volume_id)
        place = self.resolve(Path(path).parent) / Path(path).name
        if place.is_relative_to(VOLUMES):
            # What Modal does is unknown (modal-semantics 1.7), so nothing is shown in its place.
            raise ValueError(f"volume {volume_id}: {path} lies in another volume's mount path")
        self.ensure(place.parent)
        self._at(place).symlink_to(VOLUMES / volume_id)
        return self._outline.owner(place).path

    def resolve(self, path: Path) -> Path:
        """Follow the links on the way to `path` as they will be inside; it need not exist."""
        found, rest, links = ROOT, deque(path.parts[1:]), 0
        while rest:
            name = rest.popleft()
            target = None if name == ".." else self._link_at(found / name)
            if target is None:
                found = found.parent if name == ".." else found / name
                continue
            links += 1
            if links > _LINKS_AT_MOST:
                raise ValueError(f"too many links in {path}")
            if target.is_absolute():
                found = ROOT
            rest.extendleft(reversed(target.relative_to(target.anchor).parts))
        return found

    def ensure(self, path: Path) -> None:
        """Make a directory and its parents, like the ones of the machine where it has them."""
        for each in (*reversed(path.parents), path):
            place = self._at(each)
            is_new = not place.is_dir()
            if is_new:
                place.mkdir()
            if is_new or each in self._places:
                _make_alike(place, each, self._outline)

    def _make_mount_point(self, path: Path) -> None:
        if path != ROOT:
            self.ensure(path.parent)
            (self._at(path.parent) / path.name).mkdir(exist_ok=True)

    def _at(self, path: Path) -> Path:
        point = self._outline.owner(path)
        return self.changes(point) / path.relative_to(point.path)

    def _link_at(self, path: Path) -> Path | None:
        for source in (self._at(path), *self._outline.sources(path)):
            with suppress(OSError):
                is_link = stat.S_ISLNK(source.lstat().st_mode)
                return source.readlink() if is_link else None
        return None

    def _copy(self, path: Path) -> None:
        self.ensure(path.parent)
        try:
            shutil.copy2(path, self._at(path), follow_symlinks=False)
        except PermissionError:
            self._at(path).touch(mode=0)  # as unreadable inside as outside


def _make_alike(place: Path, path: Path, outline: Outline) -> None:
    for source in outline.sources(path):
        with suppress(OSError):
            found = source.lstat()
            if stat.S_ISDIR(found.st_mode):
                place.chmod(stat.S_IMODE(found.st_mode))
                with suppress(OSError):  # an ordinary user owns what is on the disk
                    os.chown(place, found.st_uid, found.st_gid)
                return
    place.chmod(FRESH.get(path, 0o755))

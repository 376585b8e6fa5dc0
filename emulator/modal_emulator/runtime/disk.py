"""
A container's ephemeral disk before the kernel shows it.

The disk is what takes all writes outside volumes: one directory for each point of the root's
outline. What must be in the root from the start (mount points, the links from the user's paths
to the volumes, single files) is written there directly, so that it hides whatever the machine
has at those paths at no cost. Paths inside are plain strings, for speed as in `outline`.
"""

import os
import shutil
import stat
from collections import deque
from contextlib import suppress
from posixpath import basename, dirname, join

from modal_emulator.runtime.mountinfo import is_in
from modal_emulator.runtime.outline import FRESH, ROOT, SYSTEM, Outline, Point, below

__all__ = ["ARGUMENTS", "SERVER", "VOLUMES", "Disk"]

ARGUMENTS = "/__modal/arguments"
SERVER = "/__modal/server.sock"
VOLUMES = "/__modal/volumes"  # where Modal mounts them; modal-semantics 1.7
_LINKS_AT_MOST = 40  # as in the kernel


class Disk:
    """Writes the first content of a container's ephemeral disk."""

    def __init__(self, directory: str, outline: Outline) -> None:
        self._outline = outline
        self._places = {
            point.path: f"{directory}/{number:x}" for number, point in enumerate(outline.points)
        }
        self._made: set[str] = set()
        for point in outline.points:
            os.makedirs(self.changes(point))  # noqa: PTH103
            os.mkdir(self.scratch(point))  # noqa: PTH102

    def changes(self, point: Point) -> str:
        """Return the directory that takes what is written at this point."""
        return f"{self._places[point.path]}/changes"

    def scratch(self, point: Point) -> str:
        """Return the directory beside it for the kernel's use."""
        return f"{self._places[point.path]}/scratch"

    def prepare(self) -> None:
        """Make every directory that something will be mounted at, and the loose entries."""
        for point in self._outline.points:
            self.ensure(point.path)
            self._make_mount_point(point.path)
        for path in (*SYSTEM, VOLUMES, *self._outline.fresh, *self._outline.fixed):
            self.ensure(path)
        for path, target in self._outline.links:
            self.ensure(dirname(path))
            os.symlink(target, self._at(path))  # noqa: PTH211
        for path in self._outline.copies:
            self._copy(path)

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        self.ensure(dirname(path))
        with open(self._at(path), "wb") as file:  # noqa: PTH123
            file.write(content)

    def link_volume(self, path: str, volume_id: str) -> str:
        """
        Make the user's mount path a link to where the volume is mounted.

        Returns the path of the point that holds the link.

        Raises:
            ValueError: the path lies in another volume.
        """
        self.ensure(f"{VOLUMES}/{volume_id}")
        place = join(self.resolve(dirname(path)), basename(path))
        if is_in(place, VOLUMES):
            # What Modal does is unknown (modal-semantics 1.7), so nothing is shown in its place.
            raise ValueError(f"volume {volume_id}: {path} lies in another volume's mount path")
        if any(is_in(place, fixed) for fixed in self._outline.fixed):
            raise ValueError(f"volume {volume_id}: {path} leads to where Python loads code from")
        self.ensure(dirname(place))
        os.symlink(f"{VOLUMES}/{volume_id}", self._at(place))  # noqa: PTH211
        return self._outline.owner(place).path

    def resolve(self, path: str) -> str:
        """Follow the links on the way to `path` as they will be inside; it need not exist."""
        found, rest, links = ROOT, deque(path.split("/")), 0
        while rest:
            name = rest.popleft()
            if name in ("", ".", ".."):
                found = dirname(found) if name == ".." else found
                continue
            target = self._link_at(join(found, name))
            if target is None:
                found = join(found, name)
                continue
            links += 1
            if links > _LINKS_AT_MOST:
                raise ValueError(f"too many links in {path}")
            found = ROOT if target.startswith("/") else found
            rest.extendleft(reversed(target.split("/")))
        return found

    def ensure(self, path: str) -> None:
        """Make a directory and its parents, like the ones of the machine where it has them."""
        if path in self._made:
            return
        self._made.add(path)
        if path != ROOT:
            self.ensure(dirname(path))
        place = self._at(path)
        if path not in self._places:
            os.mkdir(place)  # noqa: PTH102
        self._make_alike(place, path)

    def _make_mount_point(self, path: str) -> None:
        if path != ROOT:
            place = join(self._at(dirname(path)), basename(path))
            with suppress(FileExistsError):
                os.mkdir(place)  # noqa: PTH102

    def _at(self, path: str) -> str:
        point = self._outline.owner(path)
        return self.changes(point) + below(path, point.path)

    def _link_at(self, path: str) -> str | None:
        for source in (self._at(path), *self._outline.sources(path)):
            with suppress(OSError):
                is_link = stat.S_ISLNK(os.lstat(source).st_mode)
                return os.readlink(source) if is_link else None  # noqa: PTH115
        return None

    def _copy(self, path: str) -> None:
        self.ensure(dirname(path))
        try:
            shutil.copy2(path, self._at(path), follow_symlinks=False)
        except PermissionError:
            self.write(path, b"")
            os.chmod(self._at(path), 0)  # noqa: PTH101  (as unreadable inside as outside)

    def _make_alike(self, place: str, path: str) -> None:
        for source in self._outline.sources(path):
            with suppress(OSError):
                found = os.lstat(source)
                if stat.S_ISDIR(found.st_mode):
                    os.chmod(place, stat.S_IMODE(found.st_mode))  # noqa: PTH101
                    with suppress(OSError):  # an ordinary user owns what is on the disk
                        os.chown(place, found.st_uid, found.st_gid)
                    return
        os.chmod(place, FRESH.get(path, 0o755))  # noqa: PTH101

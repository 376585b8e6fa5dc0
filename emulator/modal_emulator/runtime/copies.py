"""
Volumes shown as copied directories, where the kernel lets nobody mount.

Each container has its own copy, found through redirected file functions (`portable`). What the
container changed is found by looking through the copy again.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from modal_emulator.runtime.backend import OpenFiles, View
from modal_emulator.runtime.exchanging import exchange
from modal_emulator.runtime.holders import PROC
from modal_emulator.runtime.holders import is_held as is_held_below
from modal_emulator.runtime.leftovers import discard
from modal_emulator.runtime.merged import descend, is_removal, make_removal, walk
from modal_emulator.store.changes import Stamps
from modal_emulator.store.copying import copy_bytes

__all__ = ["Copies", "copy_entry"]

Signature = tuple[object, ...]

# What is found of a name that user code removed meanwhile.
_GONE = (FileNotFoundError, NotADirectoryError)


@dataclass
class _Copy:
    """One volume's copy: what it was made from and how its entries looked when last seen."""

    view: View
    seen: dict[str, Signature]
    base: frozenset[str] = field(repr=False)
    """The paths that the view's layers have, which need a mark when they are removed."""


class Copies:
    """The copied volumes of one container; every call does slow file work."""

    def __init__(
        self,
        volumes: Path,
        inward: Callable[[str], str],
        outward: Callable[[str], str],
        proc: Path = PROC,
        stamps: Callable[[], Stamps | None] = lambda: None,
        is_held: Callable[[Path, int], bool] | None = None,
    ) -> None:
        """
        Keep the copies as `volumes`/<volume id>.

        `inward` and `outward` map the targets of links on their way into a copy and back.
        `proc` says who holds what, or `is_held`; `stamps` how the machine's times are to be read.
        """
        self._volumes = volumes
        self._inward, self._outward = inward, outward
        self._is_held = is_held or partial(is_held_below, proc=proc)
        self._stamps = stamps
        self._copies: dict[str, _Copy] = {}

    def attach(self, volume_id: str, view: View) -> None:
        """Show `view` in the volume's directory, all at once."""
        aside, place = self._aside(volume_id), self._volumes / volume_id
        copied = tuple(walk(descend((view.changes, *view.layers), view.sub_path)))
        for found in copied:
            copy_entry(found.source, aside / found.path, self._inward)
        _date((found.source, aside / found.path) for found in copied)
        base = frozenset(found.path for found in walk(descend(view.layers, view.sub_path)))
        self._copies[volume_id] = _Copy(view, _look_through(aside), base)
        if place.exists():
            exchange(aside, place)
            discard(aside)
        else:
            place.parent.mkdir(exist_ok=True)  # `aside` is beside it
            aside.rename(place)

    def detach(self, volume_id: str, warden: int) -> None:
        """
        Empty the volume's directory, all at once.

        Raises:
            OpenFiles: a process of the container holds it; nothing was changed.
        """
        aside, place = self._aside(volume_id), self._volumes / volume_id
        if self._is_held(place, warden):
            raise OpenFiles
        exchange(aside, place)
        if self._is_held(aside, warden):  # since the first look; none can come from now on
            exchange(aside, place)
            raise OpenFiles
        self._collect(self._copies.pop(volume_id), aside)
        discard(aside)

    def _aside(self, volume_id: str) -> Path:
        """Return an empty directory that nobody looks into."""
        aside = self._volumes.parent / f".{volume_id}"
        discard(aside)
        aside.mkdir(parents=True)
        return aside

    def collect(self, volume_id: str) -> None:
        """Bring what changed since the last look into the view's `changes`, if it is attached."""
        if volume_id in self._copies:  # else it was collected when it was detached
            self._collect(self._copies[volume_id], self._volumes / volume_id)

    def _collect(self, copy: _Copy, place: Path) -> None:
        changes = copy.view.changes / copy.view.sub_path
        now = _look_through(place)
        changed = [path for path in sorted(now) if copy.seen.get(path) != now[path]]
        for path in sorted((copy.seen.keys() | copy.base) - now.keys()):
            if _is_topmost(path, now, place):
                self._remove(path, place, changes, was_below=path in copy.base)
        stamps = self._stamps()
        for path in changed:
            try:
                if stamps is not None:
                    now[path] = _redate(place / path, stamps)
                self._copy(path, place, changes)
            except _GONE:
                now[path] = ()  # since the look; the next one will find it gone, or otherwise
        _date((place / path, changes / path) for path in changed)
        copy.seen = now

    def _remove(self, path: str, place: Path, changes: Path, *, was_below: bool) -> None:
        target = changes / path
        if was_below and os.path.lexists(target) and is_removal(target.lstat()):
            return
        if was_below:
            # First: where a directory was removed and made again, its own removal is in the way.
            self._make_parents(path, place, changes)
            discard(target)
            make_removal(target)
        else:
            with suppress(NotADirectoryError):
                discard(target)

    def _copy(self, path: str, place: Path, changes: Path) -> None:
        self._make_parents(path, place, changes)
        copy_entry(place / path, changes / path, self._outward)

    def _make_parents(self, path: str, place: Path, changes: Path) -> None:
        """Make the directories around a change, alike those around it in the copy."""
        changes.mkdir(parents=True, exist_ok=True)
        for parent in reversed(Path(path).parents[:-1]):
            if not (changes / parent).is_dir():
                copy_entry(place / parent, changes / parent, self._outward)


def _look_through(place: Path) -> dict[str, Signature]:
    """Return how all below a directory looks, though it may change meanwhile."""
    seen: dict[str, Signature] = {}
    rest = [""]
    while rest:
        directory = rest.pop()
        with suppress(*_GONE), os.scandir(place / directory) as entries:
            for entry in entries:
                with suppress(*_GONE):
                    found = entry.stat(follow_symlinks=False)
                    path = f"{directory}/{entry.name}" if directory else entry.name
                    seen[path] = _signature(found)
                    if stat.S_ISDIR(found.st_mode):
                        rest.append(path)
    return seen


def _signature(found: os.stat_result) -> Signature:
    if stat.S_ISDIR(found.st_mode):
        return (found.st_mode, found.st_mtime_ns)
    return (found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _redate(path: Path, stamps: Stamps) -> Signature:
    """Give what was written the time that a commit will; returns how it looks then."""
    stamped = path.lstat().st_mtime_ns
    if (written := stamps(stamped)) != stamped:
        os.utime(path, ns=(written, written), follow_symlinks=False)
    return _signature(path.lstat())


def _date(copied: Iterable[tuple[Path, Path]]) -> None:
    """Give directories the times of those that they are copies of, now that all is in them."""
    for source, target in copied:
        with suppress(*_GONE):
            if stat.S_ISDIR(source.lstat().st_mode):
                shutil.copystat(source, target)


def _is_topmost(path: str, now: dict[str, Signature], place: Path) -> bool:
    """Tell whether the directory around a removed path is still there."""
    parent = os.path.dirname(path)  # noqa: PTH120
    return not parent or (parent in now and (place / parent).is_dir())


def copy_entry(source: Path, target: Path, relink: Callable[[str], str]) -> None:
    """
    Copy one entry with its times and mode; of a directory only itself.

    `relink` says where a copied link is to lead.
    """
    mode = source.lstat().st_mode
    if stat.S_ISDIR(mode):
        if not target.is_dir() or target.is_symlink():
            discard(target)
            target.mkdir()
        shutil.copystat(source, target)
        return
    discard(target)
    if stat.S_ISFIFO(mode):
        os.mkfifo(target, stat.S_IMODE(mode))
    elif stat.S_ISLNK(mode):
        target.symlink_to(relink(str(source.readlink())))
        shutil.copystat(source, target, follow_symlinks=False)
    elif stat.S_ISSOCK(mode):
        os.mknod(target, mode)
    elif stat.S_ISREG(mode):
        with source.open("rb") as reader, target.open("wb") as writer:
            copy_bytes(reader.fileno(), writer.fileno(), os.fstat(reader.fileno()).st_size)
        shutil.copystat(source, target)

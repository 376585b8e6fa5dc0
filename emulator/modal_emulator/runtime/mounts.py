"""
Volumes shown in a container by the kernel.

Runs in a warden. A volume is one stack at its place; with a `sub_path` the whole volume is
stacked where no process of the container can go, and only the directory is bound to the place.
"""

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modal_emulator.runtime import kernel
from modal_emulator.runtime.backend import OpenFiles, View
from modal_emulator.runtime.overlay import Privilege, Stack, stack_up

__all__ = ["Mounts", "Shown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One volume that is mounted."""

    volume_id: str
    view: View
    targets: tuple[Path, ...]
    """Where, the place that the container sees first and the whole volume last."""
    path: str
    """The first target as the kernel names it."""
    device: int
    """What stat(2) gives for its directories."""


class Mounts:
    """The volumes of one container."""

    def __init__(self, directory: Path, privilege: Privilege) -> None:
        self._whole = directory / "volumes"
        self._links = directory / "links"
        self._privilege = privilege
        self._shown: dict[str, Shown] = {}

    @property
    def shown(self) -> tuple[Shown, ...]:
        """What is mounted just now."""
        return tuple(self._shown.values())

    def attach(self, volume_id: str, view: View, place: Path) -> None:
        """
        Show `view` at `place`, an existing directory.

        Raises:
            OSError: the kernel refuses, or `sub_path` is not a directory.
        """
        stack = Stack(view.layers, view.changes, view.scratch)
        if not view.sub_path:
            stack_up(stack, place, self._privilege, self._links)
            targets: tuple[Path, ...] = (place,)
        else:
            whole = self._whole / volume_id
            whole.mkdir(parents=True, exist_ok=True)
            stack_up(stack, whole, self._privilege, self._links)
            targets = (place, whole)
            try:
                _bind_inside(whole, view.sub_path, place)
            except OSError:
                kernel.umount(whole)
                raise
        if view.read_only:
            flags = kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY
            kernel.mount(None, place, None, flags)
        path, device = os.path.realpath(place), place.stat().st_dev
        self._shown[volume_id] = Shown(volume_id, view, targets, path, device)

    def detach(self, volume_id: str) -> None:
        """
        Take a volume away; its place then shows an empty directory.

        Raises:
            OpenFiles: a process holds it; nothing was changed.
            KeyError: it is not attached.
        """
        shown = self._shown[volume_id]
        try:
            kernel.umount(shown.targets[0])
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise OpenFiles from None
            raise
        del self._shown[volume_id]
        for target in shown.targets[1:]:
            kernel.umount(target)


def _bind_inside(whole: Path, sub_path: str, place: Path) -> None:
    """Bind a directory of the volume, made when missing, without following links out of it."""
    held = os.open(whole, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in PurePosixPath(sub_path).parts:
            if name in ("/", ".."):
                raise NotADirectoryError(errno.ENOTDIR, f"not inside the volume: {sub_path}")
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=held)
            try:
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held)
            except NotADirectoryError:
                why = "Not a directory on the way of the sub_path"
                raise NotADirectoryError(errno.ENOTDIR, why, sub_path) from None
            os.close(held)
            held = inner
        kernel.mount(f"/proc/self/fd/{held}", place, None, kernel.BIND)
    finally:
        os.close(held)

"""
Which paths lead into a volume, as user code names them.

Most are decided by how they begin. Links that lead there from elsewhere are followed as far as
the directory of what is named; a file that is itself a link to one in a volume is not found. What
a directory is, is remembered until somebody makes or renames something.
"""

import os
import posixpath
import sys
import sysconfig
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from modal_emulator.runtime.backend import Mount

__all__ = ["Spot", "VolumePaths"]

Spot = tuple[str, str]
"""A volume's id, and a path in it without a slash in front."""

_VOLUMES = "/__modal/volumes"
_MOST = 2000  # directories that are remembered


class VolumePaths:
    """Finds the spot in a volume that a path names."""

    def __init__(self, mounts: Iterable[Mount], real: Callable[[str], str]) -> None:
        """`real` follows the links of a directory, and causes no steps."""
        self._tops: dict[str, Spot] = {}
        for mount in mounts:
            spot = mount.volume_id, mount.view.sub_path.strip("/")
            for top in (posixpath.normpath(mount.path), f"{_VOLUMES}/{mount.volume_id}"):
                self._tops[top] = spot
        self._starts = tuple(self._tops)
        self._real = real
        self._known: dict[str, Spot | None] = {}
        self._found: dict[str, Spot] = {}
        self._elsewhere = _elsewhere()

    def find(self, path: Any, base: Spot | None = None) -> Spot | None:
        """Return the spot that is named, seen from the directory at `base` if it is relative."""
        try:
            name = os.fspath(path)
        except TypeError:
            return None
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        if (spot := self._found.get(name)) is not None:
            return spot
        if name[:1] != "/":
            if base is not None:
                return _below(base, name)
            if not self._tops:
                return None
            name = f"{self._here()}/{name}"
        if name.startswith(self._starts):
            whole = posixpath.normpath(name) if "/." in name or "//" in name else name
            if (spot := self._by_name(whole)) is not None:
                if len(self._found) >= _MOST:
                    self._found.clear()
                self._found[name] = spot
                return spot
            name = whole
        elif name.startswith(self._elsewhere) and "/.." not in name:
            return None
        return self._by_directory(name)

    def forget(self) -> None:
        """Something was made or renamed that may be a link."""
        self._known.clear()

    def _here(self) -> str:
        try:
            return os.getcwd()  # noqa: PTH109  (where user code is, also where that is redirected)
        except OSError:
            return "/"

    def _by_name(self, name: str) -> Spot | None:
        for top, spot in self._tops.items():
            if name == top:
                return spot
            if name.startswith(top) and name[len(top)] == "/":
                return _below(spot, name[len(top) + 1 :])
        return None

    def _by_directory(self, name: str) -> Spot | None:
        directory, _, last = name.rstrip("/").rpartition("/")
        try:
            spot = self._known[directory]
        except KeyError:
            if len(self._known) >= _MOST:
                self._known.clear()
            spot = self._known[directory] = self._by_name(self._real(directory or "/"))
        return None if spot is None else _below(spot, last)


@cache
def _elsewhere() -> tuple[str, ...]:
    """Return how paths begin that lead into no volume; to look for Python takes a while."""
    paths = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib"))
    ours = (f"{each}/" for each in (sys.prefix, sys.base_prefix) if each not in ("/", "/usr"))
    return ("/proc/", "/dev/", "/sys/", "/usr/", *ours, *(p for p in paths if p))


def _below(spot: Spot, name: str) -> Spot:
    volume_id, path = spot
    inside = posixpath.normpath(f"{path}/{name}" if path else name).rstrip("/")
    return volume_id, "" if inside == "." else inside

"""
Places for containers of threads where nothing can be mounted.

Each volume is a copied directory; Python's own file functions find it for the code of the
container, and only for that. What was changed is found by looking through the copy again.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

from modal_emulator.runtime.backend import Capability, Mount, OpenFiles, Plan, View
from modal_emulator.runtime.copies import Copies
from modal_emulator.runtime.holders import PROC
from modal_emulator.runtime.inline.here import HERE
from modal_emulator.runtime.inline.paths import Paths, really
from modal_emulator.runtime.inline.place import Place
from modal_emulator.runtime.inline.redirected import REDIRECTION
from modal_emulator.runtime.leftovers import discard
from modal_emulator.runtime.outline import python_needs
from modal_emulator.runtime.shadow import Shadow, lay_shadow, shadow_of
from modal_emulator.store.changes import Stamps

__all__ = ["CopiedPlaces"]

_VOLUMES = "/__modal/volumes"
_NOTICE = (
    "volumes are copied directories that only Python's own file functions find, not C libraries "
    "that open files by their path, and other programs only where an argument is a path in one; "
    "nothing else written is undone when a container ends, `sync` commits none, and a full volume "
    "is noticed when it is committed"
)
_BLIND = "; only a file that Python opened and the working directory keep a volume from a reload"


class CopiedPlaces:
    """Makes such places in a directory."""

    def __init__(self, directory: Path, *, hide: Sequence[Path] = (), proc: Path = PROC) -> None:
        """
        Keep the copies below `directory`.

        `hide` are directories of the server, whose paths mean the same in every container.
        `proc` tells about open files, on systems that have it.
        """
        # Names without links: what is found in a shadow is recognised by its real path.
        self._directory = directory.resolve()
        self._kept = tuple(str(path.resolve()) for path in (directory, *hide))
        self._proc = proc
        self._taking, self._has_taken = Lock(), False

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers can do: nothing that needs the kernel."""
        return frozenset({Capability.OPEN_FILE_REFUSAL})

    @property
    def notice(self) -> str:
        """What user code will miss, in one line."""
        return _NOTICE if (self._proc / "self" / "fd").is_dir() else _NOTICE + _BLIND

    def place(self, plan: Plan) -> Place:
        """Return the place of one container; nothing is made yet."""
        site = _Site(
            self._directory / "containers" / plan.container_id,
            plan.mounts,
            tuple(path.absolute() for path in plan.files),
            plan.working_directory,
            plan.stamps,
        )
        return _Copied(site, self._prepare, self._proc)

    def close(self) -> None:
        """Put back Python's own file functions."""
        if self._has_taken:
            REDIRECTION.give_back()
            self._has_taken = False

    def _prepare(self, site: "_Site") -> Shadow:
        """On a keeper: see that functions are redirected, and say what for this container."""
        with self._taking:
            if not self._has_taken:
                REDIRECTION.take()
                self._has_taken = True
        return shadow_of(site, (*_needs(tuple(sys.path)), *self._kept))


@dataclass(frozen=True, slots=True)
class _Site:
    """What a container's shadow is made from."""

    directory: Path
    mounts: tuple[Mount, ...]
    files: tuple[Path, ...]
    working_directory: str
    stamps: Callable[[], Stamps | None]

    @property
    def shadow(self) -> Path:
        return self.directory / "shadow"

    @property
    def volumes(self) -> Path:
        return self.shadow / _VOLUMES.lstrip("/")


class _Copied:
    """The place of one container."""

    def __init__(self, site: _Site, prepare: Callable[[_Site], Shadow], proc: Path) -> None:
        self._site, self._prepare, self._proc = site, prepare, proc
        self._shown: set[str] = set()

    def build(self) -> None:
        """Make the shadow with a copy of each volume."""
        really(self._build)

    def enter(self) -> None:
        """Let the redirected functions know how the container names files."""
        here = HERE.get()
        assert here is not None, "the main thread's context says which container it is"
        here.paths = self._paths

    def attach(self, volume_id: str, view: View) -> None:
        """Copy what the volume has now."""
        really(self._copies.attach, volume_id, view)
        self._shown.add(volume_id)

    def detach(self, volume_id: str) -> None:
        """Empty the copy, unless something holds it."""
        if self._paths.holds(f"{_VOLUMES}/{volume_id}"):
            raise OpenFiles
        really(self._copies.detach, volume_id, os.getpid())
        self._shown.discard(volume_id)

    def collect(self, volume_id: str) -> frozenset[int]:
        """Bring what differs from the last look into the view's `changes`."""
        really(self._copies.collect, volume_id)
        return frozenset()

    def leave(self) -> None:
        """Bring what is left of changes, and remove the shadow."""
        for volume_id in tuple(self._shown):
            with suppress(OSError):  # its view may be gone already
                really(self._copies.collect, volume_id)
        self._shown.clear()
        really(discard, self._site.directory)

    def remove(self) -> None:
        """Nothing to do: `leave` has removed the shadow."""

    def _build(self) -> None:
        site, shadow = self._site, self._prepare(self._site)
        self._paths = Paths(shadow, self._proc)
        self._copies = Copies(site.volumes, shadow.inside, shadow.outside, self._proc, site.stamps)
        site.directory.mkdir(parents=True, mode=0o700)
        try:
            lay_shadow(site, shadow, self._copies)
            start = Path(shadow.inside(site.working_directory))
            start.mkdir(parents=True, exist_ok=True)
            self._paths.enter(site.working_directory)
        except BaseException:
            discard(site.directory)
            raise
        self._shown.update(mount.volume_id for mount in site.mounts)


@lru_cache(maxsize=4)
def _needs(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return what Python needs while `sys.path` is this."""
    return python_needs()

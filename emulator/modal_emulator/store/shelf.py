"""
The directories of one volume on disk: layers, and workrooms for what is being written.

Layers are numbered and never written to again. Each stays while a version that is kept needs it or
something that was checked out shows it. What goes is moved into the `Trash`, which costs nothing,
and deleted where nobody waits for it.
"""

import itertools
import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock

from modal_emulator.ground.errors import DataLoss
from modal_emulator.store.copying import dispose
from modal_emulator.store.layer import LayerId

__all__ = ["Shelf", "Trash"]


_SMALL = 100  # names that are deleted as quickly as anything is done


class Trash:
    """Takes directories at once and deletes them later, if they are large."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._emptying = Lock()
        self._numbers = itertools.count()

    def take(self, path: Path) -> None:
        """Delete what is small, and move what is large out of the way."""
        dispose(path, _SMALL)
        if not os.path.lexists(path):
            return
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            while (place := self._directory / str(next(self._numbers))).exists():
                pass  # left by a process that was killed
            path.rename(place)
        except OSError:
            dispose(path)  # where the disk is full, a new name may be too much

    def empty(self, most: float = math.inf) -> None:
        """Delete about so many of the names that were taken; safe in any thread, and slow."""
        if not self._emptying.acquire(blocking=False):
            return  # somebody is at it
        try:
            for path in self._directory.iterdir() if self._directory.exists() else ():
                most -= dispose(path, most)
                if most <= 0:
                    return
        finally:
            self._emptying.release()


class Shelf:
    """Where one volume's layers are."""

    def __init__(self, directory: Path, trash: Trash, sizes: Mapping[LayerId, int]) -> None:
        self._directory = directory
        self._trash = trash
        self._sizes = dict(sizes)
        self._needs: Counter[LayerId] = Counter()
        """How many versions and holders need a layer; the others are `_idle`."""
        self._idle = set(sizes)
        self._holders = 0
        self._last = max((_number(layer_id) for layer_id in sizes), default=0)
        lost = [layer_id for layer_id in sizes if not self.path(layer_id).is_dir()]
        if lost:
            raise DataLoss(f"Files of a Volume are missing: {self.path(lost[0])}")

    def path(self, layer_id: LayerId) -> Path:
        """Return the directory of a layer."""
        return self._directory / layer_id

    def paths(self, layers: Iterable[LayerId]) -> tuple[Path, ...]:
        """Return the directories of layers."""
        return tuple(self.path(layer_id) for layer_id in layers)

    def sizes(self, layers: Iterable[LayerId]) -> tuple[int, ...]:
        """Return how many names each of these layers holds."""
        return tuple(self._sizes[layer_id] for layer_id in layers)

    def workroom(self) -> Path:
        """Make a new empty directory that nobody else has; safe in any thread."""
        try:
            return Path(tempfile.mkdtemp(prefix="w", dir=self._directory))
        except FileNotFoundError:  # the first one
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix="w", dir=self._directory))

    def adopt(self, directory: Path, size: int) -> LayerId:
        """Make a finished directory a layer; it is moved, not copied."""
        self._last += 1
        layer_id = f"l{self._last}"
        directory.rename(self.path(layer_id))
        self._sizes[layer_id] = size
        self._idle.add(layer_id)
        return layer_id

    def need(self, layers: Iterable[LayerId]) -> None:
        """Keep layers for a version."""
        for layer_id in layers:
            self._needs[layer_id] += 1
            self._idle.discard(layer_id)

    def spare(self, layers: Iterable[LayerId]) -> None:
        """Take back one `need` of the same layers."""
        for layer_id in layers:
            self._needs[layer_id] -= 1
            if not self._needs[layer_id]:
                del self._needs[layer_id]
                self._idle.add(layer_id)

    def pin(self, layers: Iterable[LayerId]) -> None:
        """Keep layers for someone who shows them, whether a version needs them or not."""
        self.need(layers)
        self._holders += 1

    def unpin(self, layers: Iterable[LayerId]) -> None:
        """Take back one `pin` of the same layers."""
        self.spare(layers)
        self._holders -= 1

    @property
    def held(self) -> bool:
        """True while anything that was checked out is in use."""
        return self._holders > 0

    def sweep(self) -> None:
        """Give away all layers that nothing needs; one that cannot be moved stays till the next."""
        for layer_id in tuple(self._idle):
            # Whatever made a layer idle is true by now: it must not fail for want of tidiness.
            with suppress(OSError):
                self._trash.take(self.path(layer_id))
                self._idle.remove(layer_id)
                del self._sizes[layer_id]

    def discard(self, path: Path) -> None:
        """Give a workroom away; one that cannot be moved or deleted goes at the next start."""
        with suppress(OSError):
            self._trash.take(path)

    def close(self) -> None:
        """Give everything away; the volume is gone."""
        with suppress(OSError):  # it goes at the next start
            if self._directory.exists():
                self._trash.take(self._directory)


def _number(layer_id: LayerId) -> int:
    return int(layer_id[1:])

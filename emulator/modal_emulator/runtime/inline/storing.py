"""
Files that code in thread containers maps into memory, to store into them without a trace.

A store through memory leaves no stamp on a file that is kept in memory itself, so a commit has to
know which files to compare. What is mapped at that moment the kernel tells; what `mmap.mmap` mapped
and let go before, as numpy does, is noted here. What C code maps and lets go between two commits,
without another write to the file, cannot be known.
"""

import mmap
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from modal_emulator.runtime.inline.here import here

__all__ = ["note_maps", "take_noted"]

_ORIGINAL = mmap.mmap
_lock = threading.Lock()
_noted: dict[str, set[str]] = {}


def note_maps() -> Callable[[], None]:
    """Note what containers map from now on; returns what takes that back."""
    mmap.mmap = _Map  # type: ignore[misc]

    def take_back() -> None:
        mmap.mmap = _ORIGINAL  # type: ignore[misc]
        _noted.clear()

    return take_back


def take_noted(container_id: str) -> set[str]:
    """Return the paths, as the container names them, of files mapped since the last call."""
    with _lock:
        return _noted.pop(container_id, set())


class _Kind(type):
    """Has every map count as one of ours, also those that were made before."""

    def __instancecheck__(cls, instance: object) -> bool:
        return type.__instancecheck__(_ORIGINAL if cls is _Map else cls, instance)


class _Map(mmap.mmap, metaclass=_Kind):
    """A map of whoever makes it."""

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        container = here()
        made = super().__new__(cls, *arguments, **options)
        if container is not None:
            file = arguments[0] if arguments else options.get("fileno", -1)
            with suppress(OSError):
                path = os.readlink(f"/proc/self/fd/{file}")  # noqa: PTH115
                with _lock:
                    _noted.setdefault(container.container_id, set()).add(path)
        return made


_Map.__name__ = _Map.__qualname__ = "mmap"
_Map.__module__ = "mmap"

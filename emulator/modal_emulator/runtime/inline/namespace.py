"""
Whether this very process may mount for its threads, and how an ordinary user's may.

A user's process may once it is in a user namespace of its own. That is entered for good, by a
process with a single thread, so early. It keeps its user and group ids there. What changes for
the process: files of other users seem to belong to nobody (65534), and set-uid programs such as
sudo do not work. It does not get rights over files by it: only threads that make containers, and
those of the containers, use the rights that the namespace gives.
"""

import os
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from modal_emulator.ground.clock import rest
from modal_emulator.ground.errors import Conflict
from modal_emulator.lodging import FAST
from modal_emulator.runtime import kernel
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.leftovers import remove_tree
from modal_emulator.runtime.overlay import Privilege
from modal_emulator.runtime.probe import refusal, try_stack

__all__ = ["Standing", "can_mount", "enter_user_namespace"]

_TASKS = Path("/proc/self/task")
_LOOK, _LOOKS = 0.001, 2000  # seconds; on a busy machine the kernel takes its time


@dataclass(frozen=True, slots=True)
class Standing:
    """What this process may do for its threads."""

    isolation: Isolation | None
    """How it mounts: as root, or in a user namespace; None when it may not."""
    why: str = ""
    """Why not."""

    def __bool__(self) -> bool:
        return self.isolation is not None


@cache
def can_mount(directory: Path | None = None) -> Standing:
    """
    Tell whether this process may make thread containers now, with their files in `directory`.

    Without one, where the emulator would keep them. It is tried, once, in a thread that ends.
    """
    if not _TASKS.is_dir():
        return Standing(None, "needs Linux")
    refusals: list[str] = []
    for isolation in (Isolation.ROOT, Isolation.USER):
        why = _attempt(isolation, directory or _usual())
        if not why:
            return Standing(isolation)
        refusals.append(why)
    return Standing(None, "; ".join(dict.fromkeys(refusals)))


def enter_user_namespace() -> None:
    """
    Move this process into a user namespace of its own, for good, so that its threads may mount.

    Raises:
        Conflict: the machine refuses, or there are other threads; nothing was changed.
    """
    threads = sorted(thread.name for thread in threading.enumerate())
    count = len(threads)
    for _ in range(_LOOKS if _TASKS.is_dir() and count == 1 else 0):
        # A thread that was waited for is gone for Python a moment before it is for the kernel.
        count = len(list(_TASKS.iterdir()))
        if count == 1:
            break
        rest(_LOOK)
    if count > 1:
        raise Conflict(
            "a process with more than one thread cannot enter a user namespace, and this one has "
            f"{count} (of Python: {', '.join(threads)}); it has to be done before anything starts "
            "a thread"
        )
    usual = _usual()
    # Tried in another process, for there is no way back.
    if why := refusal(Isolation.USER, usual):
        raise Conflict(f"this machine gives ordinary users no namespace to mount in: {why}")
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.NEW_USER)
    kernel.become_same(uid, gid)
    kernel.lay_down_rights()
    can_mount.cache_clear()


def _usual() -> Path:
    return FAST if os.access(FAST, os.W_OK) else Path(tempfile.gettempdir())


def _attempt(isolation: Isolation, directory: Path) -> str:
    """Return why this isolation does not work in threads of this process."""
    found: list[str] = []
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = Path(tempfile.mkdtemp(prefix="probe-", dir=directory))
    thread = threading.Thread(target=_try, args=(isolation, place, found))
    thread.start()
    thread.join()
    remove_tree(place)
    return found[0] if found else ""


def _try(isolation: Isolation, place: Path, found: list[str]) -> None:
    try:
        kernel.take_up_rights()
        kernel.unshare(kernel.NEW_MOUNTS | kernel.OWN_DIRECTORIES)
        try_stack(place, Privilege(root=isolation is Isolation.ROOT))
    except OSError as error:
        found.append(str(error.strerror).replace(f" at {place / 'target'}", ""))

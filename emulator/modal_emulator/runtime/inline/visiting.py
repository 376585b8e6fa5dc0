"""
Looking at files as a container sees them, from a thread that is not in it.

The SDK does part of its work on a thread of its own, which sees the machine's files. What has to
see the container's is done on a thread that joins the container's mounts for that moment.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from threading import Thread
from typing import TypeVar

from modal_emulator.runtime import kernel
from modal_emulator.runtime.inline.here import Here

__all__ = ["directories_of", "visit"]

T = TypeVar("T")
_TASKS = Path("/proc/self/task")


def visit(container: Here, work: Callable[[], T]) -> T:
    """
    Return what `work` returns in the container; the calling thread waits for it.

    Raises:
        OSError: the container has no thread any more.
        BaseException: what `work` raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def go() -> None:
        try:
            _join(container)
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=copy_context().run, args=(go,), name="visit", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def directories_of(container: Here) -> list[str]:
    """Return the working directories of the container's threads, as a visitor names them."""
    found = []
    for number in _numbers(container):
        with suppress(OSError):
            found.append(os.readlink(_TASKS / str(number) / "cwd"))  # noqa: PTH115
    return found


def _join(container: Here) -> None:
    """Have this thread see what the container's threads see, if that is not the same anyway."""
    for number in _numbers(container):
        task = _TASKS / str(number)
        namespace = os.open(task / "ns" / "mnt", os.O_RDONLY | os.O_CLOEXEC)
        root = os.open(task / "root", os.O_PATH | os.O_CLOEXEC)
        try:
            here = os.stat("/proc/thread-self/ns/mnt").st_ino  # noqa: PTH116
            if os.fstat(namespace).st_ino == here:
                return
            kernel.take_up_rights()  # an ordinary user's, for this thread, which soon ends
            kernel.unshare(kernel.OWN_DIRECTORIES)
            kernel.join_mounts(namespace)
            os.fchdir(root)
            os.chroot(".")
        finally:
            os.close(namespace)
            os.close(root)
        return
    raise ProcessLookupError("the container has no thread any more")


def _numbers(container: Here) -> list[int]:
    return [t.native_id for t in container.threads if t.is_alive() and t.native_id is not None]

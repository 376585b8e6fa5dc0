"""
Ways for a container to hold something of a volume, and reloads in the meantime.

Each way is a context manager, sent by reference like the `bodies`; only the standard library and
`modal` may be imported here.
"""

import ctypes
import mmap
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import modal

__all__ = [
    "a_deleted_file",
    "a_directory",
    "a_file_in_a_thread",
    "a_map_of_a_closed_file",
    "a_map_of_python",
    "commit_and_reload_at_once",
    "hold_for_another_input",
    "reload_while",
    "reload_while_another_input_holds",
    "views_during_reloads",
]

Way = Callable[[str], AbstractContextManager[None]]

HELD: defaultdict[str, threading.Event] = defaultdict(threading.Event)
LET_GO: defaultdict[str, threading.Event] = defaultdict(threading.Event)
"""Signals between inputs of one container, by its id: a module may serve several containers."""
PATIENCE = 30


@contextmanager
def a_directory(path: str) -> Iterator[None]:
    """Hold a directory open, as programs do that walk a tree."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def a_deleted_file(path: str) -> Iterator[None]:
    """Hold a file open that has no name any more."""
    with Path(path).open("rb"):
        Path(path).unlink()
        yield


@contextmanager
def a_map_of_python(path: str) -> Iterator[None]:
    """Hold a file mapped by Python, which keeps a descriptor of its own to it."""
    with Path(path).open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        yield
    finally:
        pages.close()


@contextmanager
def a_map_of_a_closed_file(path: str) -> Iterator[None]:
    """Hold a file in memory only, as libraries in other languages do: no descriptor is left."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap", path)
    try:
        yield
    finally:
        libc.munmap(address, size)


@contextmanager
def a_file_in_a_thread(path: str) -> Iterator[None]:
    """Let another thread hold a file open."""
    opened, done = threading.Event(), threading.Event()

    def work() -> None:
        with Path(path).open("rb"):
            opened.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=work)
    thread.start()
    opened.wait(PATIENCE)
    try:
        yield
    finally:
        done.set()
        thread.join()


def reload_while(volume: modal.Volume, way: Way, path: str) -> None:
    """Reload while something is held this way."""
    with way(path):
        volume.reload()


def hold_for_another_input(path: str) -> bool:
    """Hold a file until another input of this container has tried to reload."""
    with Path(path).open("rb"):
        HELD[os.environ["MODAL_TASK_ID"]].set()
        return LET_GO[os.environ["MODAL_TASK_ID"]].wait(PATIENCE)


def reload_while_another_input_holds(volume: modal.Volume) -> bool:
    """Reload once another input of this container holds a file; then it may let go."""
    held = HELD[os.environ["MODAL_TASK_ID"]].wait(PATIENCE)
    try:
        volume.reload()
    finally:
        LET_GO[os.environ["MODAL_TASK_ID"]].set()
    return held


def views_during_reloads(volume: modal.Volume, path: str, times: int) -> list[list[str]]:
    """Look into a directory while another thread reloads; return all that could be seen."""
    seen: set[tuple[str, ...]] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                seen.add(tuple(sorted(os.listdir(path))))  # noqa: PTH208
            except FileNotFoundError:
                seen.add(())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(times):
            _reload_at_last(volume)
    finally:
        done.set()
        thread.join()
    return sorted(map(list, seen))


def commit_and_reload_at_once(name: str, threads: int, times: int) -> None:
    """Commit and reload in several threads, each with a handle of its own."""
    failures: list[Exception] = []

    def work() -> None:
        volume = modal.Volume.from_name(name)
        try:
            for _ in range(times):
                volume.commit()
                volume.reload()
        except Exception as failure:
            failures.append(failure)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]


def _reload_at_last(volume: modal.Volume) -> None:
    # The one that looks has the directory open again and again, which refuses a reload.
    for _ in range(1000):
        try:
            volume.reload()
            return
        except RuntimeError as refusal:
            if "open files" not in str(refusal):
                raise
    raise TimeoutError("a thousand reloads were refused")

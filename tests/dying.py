"""Functions that are killed, for `inline/test_kills.py`: what they did after that is in `seen`."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import modal

__all__ = ["app", "ends_itself", "hangs_on", "left_on", "over", "seen", "waits", "waits_later"]

app = modal.App("dying")
volumes = {v: modal.Volume.from_name(f"v{v}", create_if_missing=True, version=v) for v in (1, 2)}
queue = modal.Queue.from_name("dying", create_if_missing=True)
ONE, TWO = Path("/one"), Path("/two")
MOUNTS: dict[str | os.PathLike[str], modal.Volume] = {"/one": volumes[1], "/two": volumes[2]}
seen: list[str] = []
over = threading.Event()


def left_on(version: int) -> dict[str, str]:
    """Return what is in a volume."""
    volume = volumes[version]
    files = (entry.path for entry in volume.listdir("/"))
    return {path: b"".join(volume.read_file(path)).decode() for path in files}


@contextmanager
def work() -> Iterator[None]:
    """Write on both volumes; what is in a buffer when this is killed is lost."""
    try:
        with working():
            yield
    finally:
        over.set()


@contextmanager
def working() -> Iterator[None]:
    """Do so, and try to have an effect after that."""
    (ONE / "a").write_text("x")
    with (TWO / "b").open("w") as file:
        file.write("written")
        file.flush()
        file.seek(0)
        file.write("BUFFERED")
        try:
            yield
            seen.append("went on")
        finally:
            seen.append("broken off")
            try:
                queue.put("from beyond")
            finally:
                seen.append("once more")
                (TWO / "c").write_text("from beyond")
                seen.append("wrote")


@app.function(volumes=MOUNTS)
def ends_itself(how: str) -> None:
    """Be killed by its own doing."""
    with work():
        {"exit": lambda: os._exit(3), "kill": lambda: os.kill(os.getpid(), 9), "abort": os.abort}[
            how
        ]()


@app.function(volumes=MOUNTS)
def waits(how: str) -> None:
    """Wait to be killed."""
    with work():
        print("waiting")
        if how == "spin":
            while True:
                pass
        elif how == "sleep":
            time.sleep(600)
        elif how == "thread":
            threading.Thread(target=queue.get, kwargs={"partition": "own"}, name="own").start()
            queue.get()
        else:
            queue.get()


@app.function(volumes=MOUNTS)
async def waits_later() -> None:
    """Do so without a thread of its own."""
    with work():
        print("waiting")
        await queue.get.aio()


@app.function(volumes=MOUNTS)
def hangs_on() -> None:
    """Do not let go, however often it is broken off."""
    with suppress(BaseException):  # it may be killed before it has come to the next line
        print("waiting")
        queue.get()
        seen.append("got first")
    for _ in range(2):
        with suppress(BaseException):
            queue.get()
            seen.append("got")
        with suppress(BaseException):
            queue.put("from beyond")
            seen.append("put")
        with suppress(BaseException):
            (TWO / "d").write_text("from beyond")
            seen.append("wrote")
        with suppress(BaseException):
            time.sleep(600)
            seen.append("slept")
        with suppress(BaseException):
            asyncio.run(queue.put.aio("from beyond"))
            seen.append("put later")
    print("from beyond")
    over.set()

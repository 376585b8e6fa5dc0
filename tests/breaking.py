"""The app of the tests of faults, as a user's module: containers import it by its name."""

import os
import time
from pathlib import Path

import modal

app = modal.App("breaking")
data = modal.Volume.from_name("data", create_if_missing=True, version=2)
totals = modal.Dict.from_name("totals", create_if_missing=True)
DATA = Path("/data")


@app.function(volumes={"/data": data})
def write(*names: str) -> str:
    """Write files and commit after each; say which container it was."""
    for name in names:
        (DATA / name).write_text(name)
        data.commit()
    return os.environ["MODAL_TASK_ID"]


@app.function(volumes={"/data": data})
def patient(name: str) -> int:
    """Commit until that works; say how many times it took."""
    (DATA / name).write_text(name)
    for attempt in range(1, 10):
        try:
            data.commit()
        except Exception:  # older SDKs raise what gRPC does
            continue
        return attempt
    return 0


@app.function()
def count(name: str) -> int:
    totals[name] = int(totals.get(name, 0)) + 1
    return int(totals[name])


@app.function()
def size(sent: bytes) -> int:
    return len(sent)


@app.function()
def much(count: int) -> bytes:
    return b"x" * count


@app.function(volumes={"/data": data})
def stamp(name: str) -> float:
    """Write a file; say what time it is."""
    (DATA / name).write_text(name)
    data.commit()
    return time.time()


@app.function()
def nap(seconds: float) -> float:
    """Sleep; say how long that was."""
    began = time.time()
    time.sleep(seconds)
    return time.time() - began


@app.function()
def clock() -> float:
    return time.time()


def listed() -> list[str]:
    """Return what is committed."""
    return sorted(entry.path for entry in data.listdir("/"))

"""Functions that work with storage step by step, for tests that stage them."""

import json
import time
from pathlib import Path

import modal

app = modal.App("stagework")
shared = modal.Volume.from_name("shared", create_if_missing=True)
notes = modal.Dict.from_name("notes", create_if_missing=True)
jobs = modal.Queue.from_name("jobs", create_if_missing=True)
SHARED = Path("/shared")
INDEX = SHARED / "index.json"


@app.function(volumes={str(SHARED): shared})
def add(name: str) -> list[str]:
    """Add a name to the index, and lose what others add meanwhile."""
    names = json.loads(INDEX.read_text()) if INDEX.exists() else []
    INDEX.write_text(json.dumps([*names, name]))
    shared.commit()
    return [*names, name]


@app.function(volumes={str(SHARED): shared})
def look() -> tuple[bool, bool]:
    """Say whether the index is there, before and after a reload."""
    before = INDEX.exists()
    shared.reload()
    return before, INDEX.exists()


@app.function(volumes={str(SHARED): shared})
def leave(name: str) -> None:
    """Write without a commit."""
    (SHARED / name).write_text(name)


@app.function()
def tick() -> int:
    """Count in a Dict, not atomically."""
    count = notes.get("count", 0) + 1
    notes["count"] = count
    return count


@app.function()
def take() -> str:
    """Wait for something in a queue."""
    return str(jobs.get())


@app.function()
def give(what: str) -> None:
    jobs.put(what)


@app.function()
def ask() -> int:
    """Call another function and wait for it."""
    return tick.remote()


@app.function(max_containers=1)
def one_by_one() -> None:
    """Have one container for all."""
    notes["one"] = 1


@app.function()
def fail() -> None:
    notes["failed"] = True
    raise ValueError("no luck")


@app.function()
def nap(seconds: float) -> None:
    time.sleep(seconds)
    notes["napped"] = seconds


def index() -> list[str]:
    """Return what the index holds."""
    return list(json.loads(b"".join(shared.read_file("index.json"))))

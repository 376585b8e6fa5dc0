"""An app for `bench_steps`: functions that do little but work on files."""

from pathlib import Path
from time import perf_counter

import modal

app = modal.App("steps")
volume = modal.Volume.from_name("steps", create_if_missing=True)
FILE = Path("/data/file")
ELSEWHERE = Path("/root")


@app.function(volumes={"/data": volume})
def warm(number: int) -> int:
    return number + 1


@app.function(volumes={"/data": volume}, single_use_containers=True)
def once() -> int:
    return len(list(FILE.parent.iterdir()))


@app.function(volumes={"/data": volume})
def loop(name: str, count: int) -> float:
    """Return the seconds that it took."""
    FILE.write_text("some text")
    work = LOOPS[name]
    began = perf_counter()
    for _ in range(count):
        work()
    return perf_counter() - began


def opens() -> None:
    with FILE.open() as file:
        file.read()


def looks() -> None:
    FILE.stat()


def looks_elsewhere() -> None:
    ELSEWHERE.stat()


LOOPS = {"opens": opens, "looks": looks, "looks_elsewhere": looks_elsewhere}

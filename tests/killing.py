"""The app of the tests of ends and faults, as a user's module: containers import it by its name."""

import asyncio
import mmap
import os
import time
from pathlib import Path

import modal

app = modal.App("killing")
one = modal.Volume.from_name("one", create_if_missing=True)
two = modal.Volume.from_name("two", create_if_missing=True, version=2)
PLACES = (Path("/one"), Path("/two"))
MAPPED: dict[Path, mmap.mmap] = {}
BOTH = {"/one": one, "/two": two}


def put(name: str, text: str = "x") -> None:
    for place in PLACES:
        (place / name).write_text(text)


def here() -> list[str]:
    return [str(path) for place in PLACES for path in sorted(place.iterdir())]


def committed(recursive: bool = True) -> list[str]:
    """Return what is committed, as paths in a container."""
    return [
        f"/{name}/{entry.path}"
        for name, volume in (("one", one), ("two", two))
        for entry in sorted(volume.listdir("/", recursive=recursive), key=lambda e: e.path)
    ]


@app.cls(volumes=BOTH, scaledown_window=300)
class Desk:
    """A container that stays."""

    @modal.method()
    def write(self, name: str, text: str = "x") -> list[str]:
        put(name, text)
        return here()

    @modal.method()
    def commit(self) -> None:
        one.commit()
        two.commit()

    @modal.method()
    def store(self, name: str, data: bytes) -> None:
        """Change files through memory; only the first time leaves a trace in their times."""
        for place in PLACES:
            if place not in MAPPED:
                with (place / name).open("r+b") as file:
                    MAPPED[place] = mmap.mmap(file.fileno(), 0)
            MAPPED[place][: len(data)] = data

    @modal.method()
    def wait(self) -> None:
        print("waiting")
        time.sleep(300)

    @modal.exit()
    def bye(self) -> None:
        put("bye.txt")


@app.function(volumes=BOTH, timeout=1)
def late() -> None:
    put("late.txt")
    time.sleep(300)


@app.function(volumes=BOTH, timeout=1)
def late_and_stubborn() -> None:
    put("late.txt")
    _hold_out()


@app.function(volumes=BOTH)
def train() -> list[str]:
    if "/two/step.txt" in (seen := here()):
        return seen
    put("step.txt")
    print("at work")
    time.sleep(300)
    return []


@app.function(volumes=BOTH)
async def train_async() -> list[str]:
    if "/two/step.txt" in (seen := here()):
        return seen
    put("step.txt")
    print("at work")
    await asyncio.sleep(300)
    return []


@app.function(volumes=BOTH)
def train_stubbornly() -> list[str]:
    if seen := here():
        return seen
    put("step.txt")
    _hold_out()
    return []


@app.function(volumes=BOTH)
def vanish(code: int) -> None:
    put("vanish.txt")
    os._exit(code)


def _hold_out() -> None:
    while True:
        try:
            print("at work")
            time.sleep(300)
        except (KeyboardInterrupt, modal.exception.InputCancellation):
            print("not yet")

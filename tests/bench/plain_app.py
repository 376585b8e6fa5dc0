"""The app that the benchmarks call: it does next to nothing, so all else is what is measured."""

import os
from pathlib import Path

import modal

app = modal.App("bench")
volume = modal.Volume.from_name("bench", create_if_missing=True)
DATA = Path("/data")
FILES_PER_DIRECTORY = 1000


def write(path: Path, size: int) -> None:
    """Write a file of this size."""
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))


@app.function()
def warm(number: int) -> int:
    """Answer from a container that is there already."""
    return number + 1


@app.function(single_use_containers=True)
def cold(number: int) -> int:
    """Answer from a container that is made for this call."""
    return number + 1


@app.function(volumes={str(DATA): volume}, single_use_containers=True)
def look() -> int:
    """Count what is on the volume, from a container that is made for this call."""
    return len(list(DATA.iterdir()))


@app.function(volumes={str(DATA): volume}, single_use_containers=True, timeout=1800)
def fill(count: int) -> None:
    """
    Put so many small files on the volume and commit.

    The container leaves afterwards: warm, it would go on looking for changes among all of them.
    """
    for number in range(count):
        directory = DATA / str(number // FILES_PER_DIRECTORY)
        if number % FILES_PER_DIRECTORY == 0:
            directory.mkdir()
        (directory / str(number)).write_bytes(b"a hundred bytes" * 7)
    volume.commit()


@app.function(volumes={str(DATA): volume}, max_containers=1)
def change_ten(commit: bool) -> None:
    """Write ten of the files anew; commit, or do not."""
    if not (DATA / "0").exists():
        volume.reload()
    for number in range(10):
        (DATA / "0" / str(number)).write_bytes(os.urandom(100))
    if commit:
        volume.commit()


@app.function(volumes={str(DATA): volume}, max_containers=1, timeout=1800)
def large(size: int) -> None:
    """Write one new file of this size, or with 0 commit what was written."""
    if not size:
        volume.commit()
        return
    write(DATA / "large", size)

"""Functions whose steps are looked at, of both kinds of containers; lines are found by marks."""

import asyncio
import re
import threading
from pathlib import Path

import modal

__all__ = ["app", "line"]

app = modal.App("stepping")
shelf = modal.Volume.from_name("stepping-shelf", create_if_missing=True)
notes = modal.Dict.from_name("stepping-notes", create_if_missing=True)
SHELF = Path("/shelf")


def line(mark: str) -> str:
    """Return the line of this file that has this mark, as steps name it."""
    function = ""
    for number, text in enumerate(Path(__file__).read_text().splitlines(), 1):
        if found := re.match(r"\s*(?:async )?def (\w+)", text):
            function = found[1]
        if text.endswith(f"  # {mark}"):
            return f"{Path(__file__).name}:{number} in {function}"
    raise LookupError(mark)


def save(name: str) -> None:
    (SHELF / name).write_text(name)  # writes in save
    shelf.commit()  # commits


@app.function(volumes={str(SHELF): shelf})
def storing(name: str) -> None:
    shelf.reload()  # reloads
    save(name)  # saves
    notes[name] = 1  # puts


async def put_later(key: str) -> None:
    await notes.put.aio(key, 1)  # puts later


@app.function(volumes={str(SHELF): shelf})
async def storing_later(name: str) -> None:
    await asyncio.gather(put_later(f"{name}1"), put_later(f"{name}2"))
    await shelf.commit.aio()  # commits later


@app.function(volumes={str(SHELF): shelf})
def storing_in_threads() -> None:
    def first() -> None:
        notes["first"] = 1  # puts first

    def second() -> None:
        notes["second"] = 1  # puts second

    threads = [threading.Thread(target=each) for each in (first, second)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


@app.function(volumes={str(SHELF): shelf})
def publishing(name: str) -> bool:
    (SHELF / "draft").write_text(name)  # writes
    (SHELF / "draft").rename(SHELF / name)  # renames
    return (SHELF / "flag").exists()  # looks


@app.function(volumes={str(SHELF): shelf})
async def publishing_later(name: str) -> None:
    (SHELF / name).write_text(name)  # writes later
    await shelf.commit.aio()

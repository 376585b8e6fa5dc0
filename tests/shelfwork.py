"""An app whose functions work on one volume, for tests that read what happened."""

import os

import modal

app = modal.App("story")
shelf = modal.Volume.from_name("shelf", create_if_missing=True)
work = modal.Queue.from_name("work", create_if_missing=True)
locks = modal.Dict.from_name("locks", create_if_missing=True)


@app.function(volumes={"/shelf": shelf})
def write() -> str:
    with open("/shelf/a.txt", "w") as file:  # noqa: PTH123 - what users write
        file.write("1")
    shelf.commit()
    work.put("ready")
    return read.remote()


@app.function(volumes={"/shelf": shelf})
def read() -> str:
    work.get()
    shelf.reload()
    with open("/shelf/a.txt") as file:  # noqa: PTH123
        return file.read()


@app.function(volumes={"/shelf": shelf})
def add(name: str, through: str = "") -> None:
    """Add a name to the index, while another container adds one as well."""
    try:
        with open("/shelf/index") as file:  # noqa: PTH123
            names = file.read().split()
    except FileNotFoundError:
        names = []
    if through:
        add_too.remote(through)
    with open("/shelf/index", "w") as file:  # noqa: PTH123
        file.write("\n".join([*names, name]))
    shelf.commit()


@app.function(volumes={"/shelf": shelf})
def add_too(name: str) -> None:
    """Add a name with what was there kept, for which it was opened."""
    with open("/shelf/index", "a") as file:  # noqa: PTH123
        file.write(name)
    shelf.commit()


@app.function(volumes={"/shelf": shelf})
def look() -> list[str]:
    """Never reload."""
    return os.listdir("/shelf")  # noqa: PTH208


@app.function(volumes={"/shelf": shelf})
def put_under_lock() -> None:
    """Publish a file while nobody else has the lock."""
    assert locks.put("shelf", "put", skip_if_exists=True)
    with open("/shelf/a.txt", "w") as file:  # noqa: PTH123
        file.write("1")
    shelf.commit()
    locks.pop("shelf")


@app.function(volumes={"/shelf": shelf})
def look_under_lock(*, reload: bool) -> list[str]:
    """List what is there while nobody else has the lock."""
    assert locks.put("shelf", "look", skip_if_exists=True)
    if reload:
        shelf.reload()
    names = os.listdir("/shelf")  # noqa: PTH208
    locks.pop("shelf")
    return names

"""An app whose functions work on one volume, for tests that read what happened."""

import modal

app = modal.App("story")
shelf = modal.Volume.from_name("shelf", create_if_missing=True)
work = modal.Queue.from_name("work", create_if_missing=True)


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

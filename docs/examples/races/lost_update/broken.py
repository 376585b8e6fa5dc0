"""
A gallery that keeps the titles of its pictures in one JSON file, and forgets some.

Each `add` reads the index, puts one title in, and writes the whole file back. When two run at the
same time in two containers, both read the same index, and the commit that comes last replaces the
file by one that has never heard of the other picture. Nobody gets an error: for a file, the last
commit takes it whole, nothing is merged, and no lock reaches from one container to another.

Remember: what two containers may change at the same time must not be one file.
"""

import json
from pathlib import Path

import modal

app = modal.App("gallery")
volume = modal.Volume.from_name("gallery", create_if_missing=True)

GALLERY = Path("/gallery")
INDEX = GALLERY / "index.json"


def read() -> dict[str, str]:
    return json.loads(INDEX.read_text()) if INDEX.exists() else {}


@app.function(volumes={str(GALLERY): volume})
def add(picture: str, title: str) -> None:
    volume.reload()
    index = read()
    index[picture] = title
    INDEX.write_text(json.dumps(index))
    volume.commit()


@app.function(volumes={str(GALLERY): volume})
def titles() -> dict[str, str]:
    volume.reload()
    return read()

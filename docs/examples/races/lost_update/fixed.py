"""
The gallery with one file for each picture: no two containers change the same one.

There is no index any more; whoever wants one makes it of the files that are there. Commits that
change different files are merged, whichever comes first. Two that give the *same* picture a title
at the same time still end with one of the two titles, whole: that is a question of who is right,
not of lost data.

Where it must be one file, let one container own it: a function with `max_containers=1`, which
takes one input after the other, changes it for everybody (`../sqlite_two_writers/fixed.py`).
"""

import json
from pathlib import Path

import modal

app = modal.App("gallery")
volume = modal.Volume.from_name("gallery", create_if_missing=True)

GALLERY = Path("/gallery")


@app.function(volumes={str(GALLERY): volume})
def add(picture: str, title: str) -> None:
    (GALLERY / f"{picture}.json").write_text(json.dumps(title))
    volume.commit()


@app.function(volumes={str(GALLERY): volume})
def titles() -> dict[str, str]:
    volume.reload()
    return {file.stem: json.loads(file.read_text()) for file in GALLERY.glob("*.json")}

"""
A data set published by a manifest, which is committed before what it names.

`publish` announces the new version first and then writes it. A reader that reloads between the
two commits finds a manifest that names a file which is not there. Once is enough: on a busy
volume the upload of the data takes minutes, and every request in them fails.

Remember: data first, then what points to it. A commit is the moment at which others may look.
"""

import json
from pathlib import Path

import modal

app = modal.App("data-set")
volume = modal.Volume.from_name("data-set", create_if_missing=True)

DATA = Path("/data")
MANIFEST = DATA / "manifest.json"


@app.function(volumes={str(DATA): volume})
def publish(version: int, rows: list[str]) -> None:
    file = f"rows-{version}.txt"
    MANIFEST.write_text(json.dumps({"version": version, "file": file}))
    volume.commit()
    (DATA / file).write_text("\n".join(rows))
    volume.commit()


@app.function(volumes={str(DATA): volume})
def rows() -> list[str]:
    volume.reload()
    manifest = json.loads(MANIFEST.read_text())
    return (DATA / manifest["file"]).read_text().splitlines()

"""
The same data set: the rows are committed before the manifest names them.

Each version has a file of its own, so what a reader has found stays whole while the next version
is written. The first commit publishes rows that nobody looks for yet; the second one publishes
the manifest, which is put in place by a rename, so that a commit in the background, which may
come at any moment, never takes one that is half written. One commit at the end would do as well,
as long as the rows are written and closed before the manifest.

The reader reloads once, before the first of the files that must agree, and not between them.
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
    (DATA / file).write_text("\n".join(rows))
    volume.commit()
    draft = DATA / "manifest.json.new"
    draft.write_text(json.dumps({"version": version, "file": file}))
    draft.replace(MANIFEST)
    volume.commit()


@app.function(volumes={str(DATA): volume})
def rows() -> list[str]:
    volume.reload()
    manifest = json.loads(MANIFEST.read_text())
    return (DATA / manifest["file"]).read_text().splitlines()

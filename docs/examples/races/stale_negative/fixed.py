"""
The cache of thumbnails that remembers only what it found.

A picture never changes under its name, so what was found stays right. What was not found is
looked for again by the next who asks, after a reload. Where too many ask for what is not there,
remember it for some seconds, and say so.
"""

from pathlib import Path

import modal

app = modal.App("thumbnails")
volume = modal.Volume.from_name("thumbnails", create_if_missing=True)

PICTURES = Path("/pictures")


@app.function(volumes={str(PICTURES): volume})
def upload(name: str, picture: bytes) -> None:
    draft = PICTURES / f".{name}.new"
    draft.write_bytes(picture)
    draft.rename(PICTURES / name)
    volume.commit()


@app.cls(volumes={str(PICTURES): volume})
class Thumbnails:
    @modal.enter()
    def begin(self) -> None:
        self.found: dict[str, bytes] = {}

    @modal.method()
    def get(self, name: str) -> bytes | None:
        if name not in self.found:
            volume.reload()
            picture = PICTURES / name
            if not picture.exists():
                return None
            self.found[name] = picture.read_bytes()[:8]
        return self.found[name]

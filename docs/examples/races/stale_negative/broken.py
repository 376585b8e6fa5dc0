"""
A cache of thumbnails that remembers what was not there, and never looks again.

`Thumbnails` keeps in memory what it found, to spare itself reloads, also that it found nothing.
When somebody asks for a picture a moment before its upload is committed, that container says "not
there" from then on, while every other one has it. It heals when the container ends, so nobody can
say why.

Remember: what is there and never changes may be remembered; what is not there may come at any
time.
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
        self.known: dict[str, bytes | None] = {}

    @modal.method()
    def get(self, name: str) -> bytes | None:
        if name not in self.known:
            volume.reload()
            picture = PICTURES / name
            self.known[name] = picture.read_bytes()[:8] if picture.exists() else None
        return self.known[name]

"""
When does one function see what another one wrote?

    modal run visibility.py

A container sees a volume as it was when the container started. What others commit later
stays invisible to it, however long it lives, until it calls `volume.reload()`. That is easy to
overlook: on a cold start the code works without the reload, and goes stale only when the
container is reused.
"""

import uuid
from pathlib import Path

import modal

app = modal.App("example-visibility")
volume = modal.Volume.from_name("example-visibility", create_if_missing=True)

DATA = Path("/data")


# One container at most, so the calls below all meet the same one, still warm.
@app.function(volumes={str(DATA): volume}, max_containers=1)
def read(name: str, reload: bool = False) -> str | None:
    if reload:
        volume.reload()
    path = DATA / name
    return path.read_text() if path.exists() else None


@app.function(volumes={str(DATA): volume})
def write(name: str, text: str) -> None:
    (DATA / name).write_text(text)
    volume.commit()  # from here on, new containers and reloads see the file


@app.local_entrypoint()
def main() -> None:
    name = f"greeting-{uuid.uuid4().hex[:8]}.txt"  # new in every run

    def shown(text: str | None) -> str:
        return "absent" if text is None else f"present: {text!r}"

    print("1. reader, nothing written yet:  ", shown(read.remote(name)))
    write.remote(name, "hello")
    print("2. writer:                        wrote and committed")
    print("3. warm reader, no reload:       ", shown(read.remote(name)))
    print("4. reader, after volume.reload():", shown(read.remote(name, reload=True)))

    volume.remove_file(name)

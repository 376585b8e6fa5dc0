"""
What becomes of a file that a function writes and does not commit?

    modal run forgotten_commit.py

It is committed later: in the background every few seconds, and when the container ends. So the
bug does not show in the container itself, nor tomorrow, but to whoever is told at once that the
file is there. And a container that is killed in between may take the file with it.
"""

from pathlib import Path

import modal

app = modal.App("example-forgotten-commit")
volume = modal.Volume.from_name("example-forgotten-commit", create_if_missing=True)

DATA = Path("/data")


@app.function(volumes={str(DATA): volume})
def forgets(name: str) -> bool:
    (DATA / name).write_text("written")
    return (DATA / name).exists()  # yes: this container sees what it wrote itself


@app.function(volumes={str(DATA): volume})
def commits(name: str) -> bool:
    (DATA / name).write_text("written")
    volume.commit()
    return (DATA / name).exists()


@app.function(volumes={str(DATA): volume})
def sees(name: str) -> bool:
    volume.reload()
    return (DATA / name).exists()


@app.local_entrypoint()
def main() -> None:
    for write, word in ((forgets, "forgets"), (commits, "commits")):
        name = f"{word}.txt"
        print(f"{name}: the writer sees it: {write.remote(name)}, another: {sees.remote(name)}")
    print("All there, once the containers have ended.")

"""`kill -9` of `serve` at any moment: every acknowledged commit is whole after the restart."""

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]

pytestmark = pytest.mark.slow

SIZE = 300_000

# Each line printed is an acknowledgement: the call that made the file durable has returned.
UPLOADS = """
import io, sys
import modal
volume = modal.Volume.from_name("crash", create_if_missing=True, version=int(sys.argv[2]))
n = int(sys.argv[1])
while True:
    with volume.batch_upload() as batch:
        batch.put_file(io.BytesIO(n.to_bytes(4, "big") * 75_000), f"up-{n}")
    print(f"up-{n}", flush=True)
    n += 1
"""
COMMITS = """
import sys
import modal
app = modal.App("crash")
volume = modal.Volume.from_name("crash", create_if_missing=True, version=int(sys.argv[2]))

@app.function(volumes={"/data": volume}, serialized=True)
def write(first):
    n = first
    while True:
        with open(f"/data/in-{n}", "wb") as file:
            file.write(n.to_bytes(4, "big") * 75_000)
        volume.commit()
        yield n
        n += 1

with app.run():
    for n in write.remote_gen(int(sys.argv[1])):
        print(f"in-{n}", flush=True)
"""
READ = """
import hashlib
import modal
volume = modal.Volume.from_name("crash")
for entry in volume.listdir("/"):
    digest = hashlib.sha256(b"".join(volume.read_file(entry.path))).hexdigest()
    print(entry.path, entry.size, digest)
"""


def digest(name: str) -> str:
    number = int(name.partition("-")[2])
    return hashlib.sha256(number.to_bytes(4, "big") * (SIZE // 4)).hexdigest()


def acknowledged(server: Any, script: str, first: int, version: int, seconds: float) -> list[str]:
    """Run the script, kill the server some time after its first word, and return its words."""
    client = subprocess.Popen(
        [sys.executable, "-c", script, str(first), str(version)],
        env=server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    word = client.stdout.readline().strip()
    assert word, client.communicate()[1]
    time.sleep(seconds)  # a random moment is the point here
    server.process.kill()
    server.process.wait()
    client.kill()
    rest, _ = client.communicate()
    # The last word may have been cut by the kill of the client.
    return [word, *(w for w in rest.split("\n")[:-1] if w)]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("script", [UPLOADS, COMMITS], ids=["uploads", "commits"])
def test_acknowledged_files_are_whole(
    serve: Serve, tmp_path: Path, script: str, version: int
) -> None:
    moment = random.Random(version)
    known: list[str] = []
    for _ in range(2):
        server = serve("--state-dir", "state")
        known += acknowledged(server, script, len(known) * 10, version, moment.uniform(0, 0.4))

    server = serve("--state-dir", "state")
    listing = subprocess.run(
        [sys.executable, "-c", READ],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    found = {path: (int(size), sha) for path, size, sha in map(str.split, listing.splitlines())}
    assert set(known) <= set(found)
    for name, (size, sha) in found.items():
        assert (size, sha) == (SIZE, digest(name)), f"{name} is not whole"
    assert server.stop()[0] == 0
    leftovers = list((tmp_path / "state" / "content" / "incoming").rglob("*"))
    assert leftovers == []

"""
`kill -9` of `serve`, and of a container, at any moment: what was acknowledged is whole afterwards.

Each file holds its own number many times over, so that half of one shows.
"""

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import serve
from helpers import eventually

__all__ = ["serve"]

Serve = Callable[..., Any]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

PER_KILL = 40
"""So many times as many stores are killed as servers, which take longer."""

# Each line is a name: `?` before the call that makes or removes it, `+` or `-` when it returned.
CHURN = """
import io, os, random, signal, sys, threading, time
import modal

first, version, die = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "die"
chance = random.Random(first)
app = modal.App("crash")
volume = modal.Volume.from_name("crash", create_if_missing=True, version=version)

def data(number):
    return number.to_bytes(4, "big") * 75_000

@app.function(volumes={"/data": volume}, serialized=True, max_containers=1)
def write(number, reload, die_after):
    if die_after is not None:
        threading.Timer(die_after, os.kill, (os.getpid(), signal.SIGKILL)).start()
    with open(f"/data/in-{number}", "wb") as file:
        file.write(data(number))
    volume.reload() if reload else volume.commit()

def say(word):
    print(word, flush=True)

with app.run():
    names = []
    for number in range(first, first + 1_000_000):
        what = chance.choice(["in", "in", "up", "cp", "rm"])
        name = f"{what}-{number}"
        if what in ("cp", "rm") and not names:
            continue
        if what == "rm":
            name = chance.choice(names)
            names.remove(name)
        source = chance.choice(names) if what == "cp" else ""
        if what == "cp":
            name = f"cp-{source.split('-')[1]}-{number}"  # the number it holds, and its own
        say("?" + name)
        if what == "in":
            try:
                write.remote(number, chance.random() < 0.3, chance.random() / 30 if die else None)
            except Exception:
                continue  # the container was killed
        elif what == "up":
            with volume.batch_upload() as batch:
                batch.put_file(io.BytesIO(data(number)), name)
        elif what == "cp":
            volume.copy_files([source], name)
        else:
            volume.remove_file(name)
        say(("-" if what == "rm" else "+") + name)
        if what != "rm":
            names.append(name)
"""
READ = """
import hashlib
import modal
volume = modal.Volume.from_name("crash")
for entry in volume.listdir("/"):
    digest = hashlib.sha256(b"".join(volume.read_file(entry.path))).hexdigest()
    print(entry.path, entry.size, digest)
"""


def digest(number: int) -> str:
    return hashlib.sha256(number.to_bytes(4, "big") * 75_000).hexdigest()


def python(server: Any, script: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(
        command, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def churn(server: Any, first: int, version: int, seconds: float, *, die: bool) -> list[str]:
    """Run the client, kill the server some time after its first word, and return its words."""
    client = python(server, CHURN, first, version, "die" if die else "live")
    assert client.stdout is not None
    word = client.stdout.readline().strip()
    assert word, client.communicate()[1]
    time.sleep(seconds)  # a random moment is the point here
    server.kill()
    client.kill()
    rest, _ = client.communicate()
    # The last word may have been cut by the kill of the client.
    return [word, *rest.split("\n")[:-1]]


class Known:
    """What has to be there, and what may be."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.perhaps: set[str] = set()

    def hear(self, words: list[str]) -> None:
        for word in words:
            kind, name = word[0], word[1:]
            (self.perhaps.add if kind == "?" else self.perhaps.discard)(name)
            (self.there.add if kind == "+" else self.there.discard)(name)


def check(server: Any, known: Known) -> None:
    """Compare what the server shows with what is known; what may be there is so or not now."""
    listing, error = python(server, READ).communicate(timeout=240)
    assert not error, error
    found = {path: (int(size), sha) for path, size, sha in map(str.split, listing.splitlines())}
    assert known.there <= found.keys() <= known.there | known.perhaps
    for name, (size, sha) in found.items():
        whole = (300_000, digest(int(name.split("-")[1])))
        assert (size, sha) == whole, f"{name} is not whole"
    known.there, known.perhaps = set(found), set()


def ours(mark: str) -> list[int]:
    """Return the processes whose environment names this directory."""
    found = []
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdigit() and mark.encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("version", [1, 2], ids=["v1", "v2"])
def test_what_was_acknowledged_is_whole(
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
    version: int,
) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    kills = max(2, pytestconfig.getoption("--kills") // PER_KILL)
    seed = pytestconfig.getoption("--kill-seed") or version
    print(f"--kill-seed {seed}")
    moment, known = random.Random(seed), Known()
    server = serve("--state-dir", "state")
    for kill in range(kills):
        first = (kill + 1) * 10_000
        known.hear(churn(server, first, version, moment.uniform(0, 0.8), die=kill % 2 == 1))
        assert eventually(lambda: not ours(str(temporary))), "processes outlive their server"
        server = serve("--state-dir", "state")
        check(server, known)
    assert server.stop()[0] == 0
    state = tmp_path / "state"
    assert list((state / "content" / "incoming").iterdir()) == []
    assert list((state / "containers").glob("*/*")) == []
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert eventually(lambda: not any(temporary.iterdir())), list(temporary.iterdir())

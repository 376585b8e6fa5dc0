"""`modal-emulator findings`, and what a server says while it runs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
APP = """
import modal

app = modal.App("notes")
volume = modal.Volume.from_name("notes", create_if_missing=True)

@app.function(volumes={"/data": volume})
def write():
    open("/data/today.txt", "w").write("here")
    volume.commit()

@app.function(volumes={"/data": volume})
def read():
    try:
        return open("/data/today.txt").read()
    except FileNotFoundError:
        return "nothing"

if __name__ == "__main__":
    with app.run():
        for call in (read, write, read):
            call.remote()
"""
TITLE = "stale read: read read today.txt in 'notes' as it was before write changed it"


@pytest.mark.slow
def test_a_server_tells_what_it_finds_while_it_runs(
    run: Run, serve: Callable[..., Any], tmp_path: Path
) -> None:
    server = serve()
    assert run("findings", env=server.environment).stdout == "Nothing was found.\n"
    (tmp_path / "notes.py").write_text(APP)
    subprocess.run([sys.executable, "notes.py"], env=server.environment, cwd=tmp_path, check=True)
    told = list(
        iter(
            server.process.stderr.readline,
            "  A reload() belongs after that, and before the read.\n",
        )
    )
    assert told[0] == f"modal-emulator: {TITLE}\n"
    listed = run("findings", env=server.environment)
    assert listed.stdout.splitlines()[0].endswith(f"  {TITLE}"), listed.stderr
    (found,) = json.loads(run("findings", "--json", env=server.environment).stdout)["findings"]
    assert (found["subject"], found["paths"]) == ("stale read", ["today.txt"])
    assert server.stop() == (os.EX_OK, "modal-emulator: stopping\n")

"""`modal-emulator faults` against a running server, and a server's file of faults."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import eventually

Run = Callable[..., subprocess.CompletedProcess[str]]
PLAN = "error('VolumeCommit', volume='data', status='UNAVAILABLE', times=2)"
FILE = '[[fault]]\nwhat = "drop"\nrpc = "QueuePut"\n'


def test_faults_are_planned_listed_and_forgotten(
    run: Run, served: dict[str, str], tmp_path: Path
) -> None:
    added = run(
        *("faults", "add", "error", "VolumeCommit"),
        *("status=UNAVAILABLE", "times=2", "volume=data"),
        env=served,
    )
    assert added.stdout == f"planned: {PLAN}\n", added.stderr
    (tmp_path / "f.toml").write_text(FILE)
    loaded = run("faults", "load", "f.toml", env=served)
    assert loaded.stdout == "planned: drop('QueuePut', times=1)\n", loaded.stderr
    assert run("faults", "list", env=served).stdout == f"planned: {PLAN}\n{loaded.stdout}"
    assert json.loads(run("faults", "list", "--json", env=served).stdout) == {
        "plans": [PLAN, "drop('QueuePut', times=1)"],
        "struck": [],
    }
    cleared = run("faults", "clear", env=served)
    assert cleared.stdout == f"forgotten: {PLAN}\nforgotten: drop('QueuePut', times=1)\n"
    assert run("faults", "list", env=served).stdout == "planned: nothing\n"


def test_what_makes_no_sense_is_refused(run: Run, served: dict[str, str]) -> None:
    wrong = run("faults", "add", "drop", "VolumeComit", env=served)
    assert wrong.returncode == 1
    assert wrong.stderr == "Error: no RPC is called 'VolumeComit'; did you mean 'VolumeCommit'?\n"


@pytest.mark.slow
def test_a_server_reads_its_file_again(run: Run, serve: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    file.write_text(FILE)
    server = serve("--faults", file)

    def planned() -> str:
        return run("faults", "list", env=server.environment).stdout

    assert planned() == "planned: drop('QueuePut', times=1)\n"
    made = 'import modal; q = modal.Queue.from_name("q", create_if_missing=True); q.put("x")'
    program = subprocess.run([sys.executable, "-c", made], env=server.environment, check=True)
    assert program.returncode == 0
    assert planned().startswith("planned: nothing\nstruck ")
    assert "  before QueuePut by a client: drop('QueuePut', times=1)\n" in planned()
    file.write_text(FILE + "times = 7\n")
    server.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: planned().startswith("planned: drop('QueuePut', times=7)\n"))
    file.write_text("nonsense")
    server.process.send_signal(signal.SIGHUP)
    code, error = server.stop()
    assert code == 0 and "f.toml plans 1 faults" in error
    assert f"{file} is left as it was: a file of faults is in TOML" in error


@pytest.mark.slow
def test_a_server_does_not_begin_with_a_file_that_makes_no_sense(run: Run, tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text('[[fault]]\nwhat = "dorp"\n')
    refused = run("serve", "--faults", "f.toml")
    assert refused.returncode == 1
    assert refused.stderr.endswith("Error: there is no fault 'dorp'; did you mean 'drop'?\n")

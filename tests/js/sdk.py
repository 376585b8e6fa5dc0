"""
Modal's JS SDK against the emulator: functions, classes, volumes, secrets, queues.

Needs node and npm and fetches the SDK, so it is a check of its own (`tox -e js`).
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import modal
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the SDK beside a copy of the scripts."""
    place = tmp_path_factory.mktemp("js")
    for name in ("package.json", "calls.mjs", "boxes.mjs"):
        shutil.copy(HERE / name, place)
    npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(npm, cwd=place, check=True, timeout=300)
    return place


def test_the_js_sdk_meets_what_python_deployed(modal_emulator, scripts, monkeypatch):
    modal_emulator.secret("for-js", GREETING="Hello")
    modal_emulator.queue("from-python").put("a", {"b": [1, None]})
    monkeypatch.syspath_prepend(HERE)
    import app

    app.app.deploy()
    said = run(modal_emulator, scripts, "calls.mjs")

    assert said["positional"] == "Hello node!"
    assert said["keyword"] == "Hello node?"
    assert said["spawned"] == "Hello later!"
    assert said["counter"] == [41, 42]
    assert said["blob"] == 3 << 20
    assert "as told" in said["failure"]
    assert said["site"] == "for node"
    assert "cannot be invoked for remote execution" in said["called"]
    assert said["noProxy"] == "NotFoundError: Proxy 'missing' not found"
    assert said["sameVolume"] is True
    assert said["noVolume"] == "NotFoundError: Volume 'missing' not found in environment 'main'"
    assert said["noSecret"].startswith("NotFoundError: Secret 'missing' not found")
    assert "Secret is missing key(s): OTHER" in said["noKey"]
    assert said["noFunction"].startswith("NotFoundError")
    assert "Token not found" in said["wrongToken"]

    values = ["from node", 1, [True, None], {"deep": "é"}]
    assert said["queue"]["seen"] == said["queue"]["taken"] == values
    assert said["queue"]["counts"] == [4, 1, 5]
    assert (said["queue"]["late"], said["queue"]["unseen"]) == ("late", [])
    assert said["fromPython"] == ["a", {"b": [1, None]}]
    assert "QueueEmptyError" in said["emptyQueue"]
    assert "QueueEmptyError" in said["emptyLater"]
    assert said["noQueue"] == "NotFoundError: Queue 'missing' not found in environment 'main'"
    assert modal.Queue.from_name("for-js").get(partition="p") == "apart"

    volume = modal.Volume.from_name("for-js")
    assert b"".join(volume.read_file("last.txt")).startswith(b"Hello")


def test_the_js_sdk_runs_sandboxes(modal_emulator, scripts):
    assert run(modal_emulator, scripts, "boxes.mjs") == {
        "printed": "in",
        "error": "err\n",
        "code": 3,
        "before": "",
        "after": "file\n",
        "main": "main",
        "ended": 0,
        "killed": 137,
    }


def run(modal_emulator, scripts, name):
    """Run a script and return what it printed last."""
    done = subprocess.run(
        ["node", "--no-warnings", name],
        cwd=scripts,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **modal_emulator.environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])

"""
The web examples by Modal's own commands, in containers of processes, asked over HTTP.

All commands talk to one server in this process, so that a test can move its clock and look into
its volumes.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from helpers import eventually
from modal_emulator.emulator import Running, running

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
URL = re.compile(r"http://127\.0\.0\.1:\d+(?=\s)")  # a web function's; the dashboard's has a path


class Shell:
    """Runs `modal` in a directory of its own, as somebody does who has no other server."""

    def __init__(self, emulator: Running, commands: Path, directory: Path) -> None:
        self.emulator, self.directory = emulator, directory
        self._modal = str(commands / "modal")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MODAL_")}
        self._environment = {**kept, **emulator.environment, "MODAL_CONFIG_PATH": os.devnull}
        self._environment["COLUMNS"] = "200"  # so that no URL is broken

    def modal(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._modal, *arguments], **self._surroundings, stderr=subprocess.STDOUT, timeout=240
        )
        assert done.returncode == 0, done.stdout
        return str(done.stdout)

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self._modal, *arguments],
            **self._surroundings,
            stderr=subprocess.STDOUT,
            # In the background of a script it would be deaf to interrupts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    @property
    def _surroundings(self) -> dict[str, Any]:
        return {
            "cwd": self.directory,
            "env": self._environment,
            "stdout": subprocess.PIPE,
            "text": True,
        }

    def deploy(self, example: str) -> httpx.Client:
        """Deploy an example; return a client of the URL that the command prints."""
        shutil.copyfile(EXAMPLES / example / "app.py", self.directory / "app.py")
        printed = self.modal("deploy", "app.py")
        (url,) = URL.findall(printed)
        return httpx.Client(base_url=url, timeout=120)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(transport="wire") as emulator:
        yield emulator


@pytest.fixture
def shell(emulator: Running, warm: Path, tmp_path: Path) -> Iterator[Shell]:
    emulator.reset()
    yield Shell(emulator, warm, tmp_path)


def test_serve_follows_the_file(shell: Shell) -> None:
    file = shell.directory / "app.py"
    shutil.copyfile(EXAMPLES / "rest_api" / "app.py", file)
    serving = shell.begin("serve", "app.py")
    assert serving.stdout
    try:
        url = next(found.group() for line in serving.stdout if (found := URL.search(line)))
        with httpx.Client(base_url=url, timeout=120) as client:
            assert "<h1>Items</h1>" in client.get("/").text
            item = client.post("/items", json={"name": "apple", "price": 1}).json()

            file.write_text(file.read_text().replace("<h1>Items</h1>", "<h1>Goods</h1>"))
            assert eventually(lambda: "<h1>Goods</h1>" in client.get("/").text)
            assert client.get("/items").json()["items"] == [item]
    finally:
        serving.send_signal(signal.SIGINT)
        rest, _ = serving.communicate(timeout=120)
    assert f"created {item['id']}" in rest


def test_deploy_list_logs_stop(shell: Shell) -> None:
    with shell.deploy("rest_api") as client:
        item = client.post("/items", json={"name": "apple", "price": 1}).json()
        assert client.get("/items").json()["items"] == [item]
        listed = shell.modal("app", "list")
        assert "rest-api" in listed and "deployed" in listed
        logs = shell.modal("app", "logs", "rest-api")
        assert f"created {item['id']}" in logs

        shell.modal("deploy", "app.py")  # the URL stays
        assert client.get("/items").json()["items"] == [item]

        shell.modal("app", "stop", "rest-api", "--yes")
        refused = client.get("/items")
        assert (refused.status_code, refused.text) == (404, "modal-http: invalid function call")


def test_tasks_are_done_when_due(shell: Shell) -> None:
    clock = shell.emulator.clock
    clock.freeze("2024-03-11T08:58:30Z")
    with shell.deploy("scheduled_tasks") as client:
        task = {"text": "one little word", "due": "2024-03-11T09:00:00Z"}
        url = f"/tasks/{client.post('/tasks', json=task).json()['id']}"
        assert client.get(url).json()["status"] == "waiting"
        clock.move_to("2024-03-11T09:02:00Z")
        assert client.get(url).json()["result"]["longest"] == "little"


def test_tenants_are_kept_apart(shell: Shell) -> None:
    shell.modal("secret", "create", "tenants", "ADMIN_KEY=a key for this test")
    with shell.deploy("tenants") as client:
        keys = []
        for name in ("Ann", "Eve"):
            answer = client.post(
                "/tenants", json={"name": name}, headers=bearer("a key for this test")
            )
            keys.append(bearer(answer.json()["api_key"]))
        ann, eve = keys
        assert client.put("/files/a.txt", content=b"hers", headers=ann).status_code == 204
        assert client.get("/files/a.txt", headers=ann).content == b"hers"
        assert client.get("/files/a.txt", headers=eve).status_code == 404
        assert client.get("/files/a.txt", headers=bearer("guessed")).status_code == 401


def test_notes_are_encrypted_and_their_key_is_changed(shell: Shell) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    shell.modal("secret", "create", "notes", f"NOTES_KEYS={old}")
    with shell.deploy("encrypted_notes") as client:
        note = client.post("/notes", json={"title": "Shopping", "text": "two apples"}).json()
    shell.modal("secret", "create", "--force", "notes", f"NOTES_KEYS={new},{old}")
    shell.modal("run", "app.py::rotate")
    shell.modal("secret", "create", "--force", "notes", f"NOTES_KEYS={new}")
    with shell.deploy("encrypted_notes") as client:
        assert client.get(f"/notes/{note['id']}").json() == note
    kept = shell.emulator.volume("encrypted-notes").read(f"notes/{note['id']}")
    assert b"two apples" in Fernet(new).decrypt(kept)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}

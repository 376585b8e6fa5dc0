"""`modal-emulator ping`, as a health check asks it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_who_answers_is_told(run: Run, served: dict[str, str]) -> None:
    asked = run("ping", env=served)
    assert (asked.returncode, asked.stdout) == (0, f"{served['MODAL_SERVER_URL']} answers.\n")


def test_who_does_not_is_told(run: Run, served: dict[str, str], tmp_path: Path) -> None:
    silent = {**served, "MODAL_SERVER_URL": "http://127.0.0.1:9"}
    asked = run("ping", env=silent)
    assert asked.returncode == 1
    assert asked.stderr.startswith("Error: No emulator answers at http://127.0.0.1:9: ")
    assert run("ping", "--state-dir", str(tmp_path), env=served).returncode == 1

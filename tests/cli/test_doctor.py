"""`modal-emulator doctor`."""

import pytest
from click.testing import CliRunner

from modal_emulator.cli import doctor
from modal_emulator.cli.main import main
from modal_emulator.ground.errors import Conflict
from modal_emulator.rpc import versions
from modal_emulator.runtime import pick
from modal_emulator.runtime.backend import Capability


def test_names_what_was_looked_at() -> None:
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    for word in ("modal-emulator", "python", "modal", "kernel", "/dev/shm", "containers"):
        assert word in result.output
    for capability in Capability:
        assert capability.value in result.output


def test_sdk_that_nobody_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "NEWEST_KNOWN", "0.1")
    result = CliRunner().invoke(main, ["doctor"])
    assert "newer than 0.1, the newest that was tried" in result.output
    assert result.exit_code == 0


def test_machine_that_cannot_run_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Conflict("no process may be started here")

    monkeypatch.setattr(pick, "pick", refuse)
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "!!  containers" in result.output
    assert "no process may be started here" in result.output


def test_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LITTLE_MEMORY", 2**80)
    assert "will not fit" in CliRunner().invoke(main, ["doctor"]).output

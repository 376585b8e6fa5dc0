"""`modal-emulator doctor`."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from modal_emulator.cli import doctor
from modal_emulator.cli.main import main
from modal_emulator.rpc import versions
from modal_emulator.runtime import probe, seccomp
from modal_emulator.runtime.job import Isolation

SUBJECTS = ("modal-emulator", "python", "modal ", "kernel", "/dev/shm", "exec and tests", "serve")


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that the command is started in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_what_was_looked_at(somewhere: Path, tidy: None) -> None:
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    assert [subject for subject in SUBJECTS if subject not in result.output] == []
    assert not list(somewhere.iterdir())


def test_sdk_that_nobody_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "NEWEST_KNOWN", "0.1")
    result = CliRunner().invoke(main, ["doctor"])
    assert "newer than 0.1, the newest that was tried" in result.output
    assert result.exit_code == 0


def test_machine_without_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nobody.sock")
    result = CliRunner().invoke(main, ["doctor"])
    assert "the runtime 'docker' needs Docker's daemon" in result.output
    assert result.exit_code == 0


def test_machine_without_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: Path) -> probe.Finding:
        return probe.Finding(Isolation.PLAIN, ("not the superuser", "unshare: not permitted"))

    monkeypatch.setattr(probe, "probe", nothing)
    output = CliRunner().invoke(main, ["doctor"]).output
    fair = [line.split("  ")[1] for line in output.splitlines() if line.startswith("--")]
    assert [name for name in fair if name != "docker"] == ["exec and tests", "serve, from here"]
    assert "plain processes; only Python's own file functions see volumes" in output
    assert "no better, because: not the superuser; unshare: not permitted" in output


def test_kernel_that_reports_no_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "are watched" in CliRunner().invoke(main, ["doctor"]).output
    monkeypatch.setattr(seccomp, "refusal", lambda: "Function not implemented")
    output = CliRunner().invoke(main, ["doctor"]).output
    assert "cannot be watched: Function" in output
    assert "containers share the machine's: Function" in output


def test_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LITTLE_MEMORY", 2**80)
    assert "will not fit" in CliRunner().invoke(main, ["doctor"]).output


def test_directory_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "SHARED_MEMORY", tmp_path / "missing")
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "gone")
    output = CliRunner().invoke(main, ["doctor"]).output
    assert "state that is not kept goes to disk" in output
    assert "No such file or directory" in output

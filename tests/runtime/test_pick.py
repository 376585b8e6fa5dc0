"""Choosing a backend by name."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from modal_emulator.ground.errors import Invalid
from modal_emulator.runtime.inline.backend import InlineBackend
from modal_emulator.runtime.inline.namespace import can_mount
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.pick import pick
from modal_emulator.runtime.process import ProcessBackend


@dataclass(frozen=True)
class Chosen:
    runtime: str = "process"
    isolation: str = ""
    docker_network: str = "bridge"


def test_processes_are_built(tmp_path: Path) -> None:
    assert isinstance(pick(Chosen(), tmp_path), ProcessBackend)
    assert isinstance(pick(Chosen(runtime="auto"), tmp_path), ProcessBackend)


@pytest.mark.parametrize("isolation", list(Isolation))
def test_an_isolation_can_be_forced(tmp_path: Path, isolation: Isolation) -> None:
    backend = pick(Chosen(isolation=isolation.value), tmp_path)
    assert isinstance(backend, ProcessBackend)
    assert backend.isolation is isolation


def test_the_best_runtime_for_tests_is_threads_that_may_mount(tmp_path: Path) -> None:
    backend = pick(Chosen(runtime="auto"), tmp_path, lambda _plan, _here: None)
    assert isinstance(backend, InlineBackend if can_mount() else ProcessBackend)


def test_threads_need_something_to_run_in_them(tmp_path: Path) -> None:
    copied = Chosen(runtime="inline", isolation="plain")
    assert isinstance(pick(copied, tmp_path, lambda _plan, _here: None), InlineBackend)
    with pytest.raises(Invalid, match="'inline' is for tests"):
        pick(copied, tmp_path)


def test_threads_that_are_to_mount_have_to_be_able_to(tmp_path: Path) -> None:
    chosen = Chosen(runtime="inline")
    if can_mount(tmp_path):
        assert isinstance(pick(chosen, tmp_path, lambda _plan, _here: None), InlineBackend)
        return
    with pytest.raises(Invalid, match="may not mount for containers of threads"):
        pick(chosen, tmp_path, lambda _plan, _here: None)


def test_docker_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(Invalid, match=r"pip install 'modal-emulator\[docker\]'"):
        pick(Chosen(runtime="docker"), tmp_path)


def test_docker_needs_its_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(Invalid, match=r"runtime 'docker' needs Docker's daemon: .*No such file"):
        pick(Chosen(runtime="docker"), tmp_path)


def test_docker_has_its_own_isolation(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no other isolation"):
        pick(Chosen(runtime="docker", isolation="plain"), tmp_path)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="unknown runtime 'podman'"):
        pick(Chosen(runtime="podman"), tmp_path)
    with pytest.raises(Invalid, match="unknown isolation 'jail'; the known ones are 'root'"):
        pick(Chosen(isolation="jail"), tmp_path)

"""What the machine allows, tried for real."""

import os
import subprocess
from pathlib import Path

import pytest

from modal_emulator.runtime import probe as room
from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.probe import Finding, probe, refusal


def test_the_best_that_works_is_found(place: Path) -> None:
    found = probe(place / "new")
    tried = [Isolation.ROOT, Isolation.USER]
    works = [each for each in tried if not refusal(each, place)]
    assert found.isolation is (works[0] if works else Isolation.PLAIN)
    assert len(found.refusals) == (tried.index(works[0]) if works else 2)
    assert list((place / "new").iterdir()) == []


def test_reasons_are_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "refusal", lambda isolation, _: f"no {isolation.value}")
    assert probe(place) == Finding(Isolation.PLAIN, ("no root", "no userns"))


def test_root_is_for_the_superuser(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert refusal(Isolation.ROOT, place) == "not the superuser"


def test_other_systems_are_not_tried(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert refusal(Isolation.USER, place) == "needs Linux"


def test_a_file_system_that_cannot_take_changes_is_noticed(place: Path) -> None:
    # /proc takes no files at all, so nothing can be tried there.
    with pytest.raises(OSError, match="/proc"):
        refusal(Isolation.USER, Path("/proc"))


def test_the_setting_that_forbids_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess([], 1, "", "unshare: Operation not permitted\n")

    monkeypatch.setattr(subprocess, "run", refused)
    monkeypatch.setattr(room, "_SWITCHES", {"kernel.none": "1", "kernel.ostype": "Linux"})
    assert refusal(Isolation.USER, place) == (
        "unshare: Operation not permitted (kernel.ostype is Linux)"
    )

"""
What tests see of containers of Docker, and do to them: findings, leaks, stages, faults, kills.

Needs Docker's daemon, so it is a check of its own (`tox -e docker`).
"""

from collections.abc import Callable, Iterator

import modal
import pytest

from modal_emulator.emulator import Running

SLOW = 300.0
"""Seconds; on a machine that has much else to do, Docker takes its time to start a container."""


@pytest.fixture
def volume() -> modal.Volume:
    return modal.Volume.from_name("numbers", create_if_missing=True)


def adding(volume: modal.Volume) -> Callable[[str], str]:
    """Return a function that adds a line to a file and commits."""

    def add(word: str) -> str:
        from pathlib import Path

        file = Path("/data/words.txt")
        before = file.read_text() if file.exists() else ""
        file.write_text(f"{before}{word} ")
        volume.commit()
        return before

    return add


@pytest.fixture
def add(emulator: Running, base: str, volume: modal.Volume) -> Iterator[modal.Function]:
    """The function, in containers that take one input each."""
    app = modal.App()
    image = modal.Image.from_registry(base)
    function = app.function(
        image=image, serialized=True, single_use_containers=True, volumes={"/data": volume}
    )(adding(volume))
    with app.run():
        yield function


def words(volume: modal.Volume) -> str:
    return b"".join(volume.read_file("words.txt")).decode()


def test_a_lost_update_is_staged_by_steps_on_files_and_found(
    emulator: Running, add: modal.Function, volume: modal.Volume
) -> None:
    with emulator.stage() as stage:
        one = stage.spawn(add, "one").until("write", "words.txt", timeout=SLOW)
        two = stage.spawn(add, "two").until("commit", timeout=SLOW)
        assert two.at is not None
        assert any("ordering.py" in line for line in two.at.where)
        assert one.finish(timeout=SLOW) == two.finish(timeout=SLOW) == ""
    assert words(volume) == "two "
    [found] = [each for each in emulator.findings() if each.subject == "lost update"]
    assert "words.txt" in str(found)


def test_faults_strike_calls_files_and_containers(
    emulator: Running, add: modal.Function, volume: modal.Volume
) -> None:
    emulator.faults.commit_fails("numbers")
    with pytest.raises(modal.exception.DataLossError):
        add.remote("one")
    emulator.settle()  # what stayed pending is committed at the end
    with emulator.faults.disk_full("numbers"), pytest.raises(OSError, match="No space left"):
        add.remote("two")
    emulator.settle()
    emulator.faults.kill(at="commit", when="after")
    with pytest.raises(modal.exception.Error, match="was killed by SIGKILL"):
        add.remote("three")
    assert words(volume) == "one three "


def test_a_secret_that_leaks_is_found(emulator: Running, base: str) -> None:
    def leak() -> None:
        import os
        import subprocess

        print("token", os.environ["TOKEN"])
        subprocess.run(["true", os.environ["TOKEN"]], check=True)

    app = modal.App()
    secrets = [modal.Secret.from_dict({"TOKEN": "tk-9f8e7d6c5b4a"})]
    image = modal.Image.from_registry(base)
    function = app.function(image=image, serialized=True, secrets=secrets)(leak)
    with app.run():
        function.remote()
    found = [str(each) for each in emulator.findings() if each.subject == "secret leak"]
    assert any("in the log of" in text for text in found)
    assert any("in the arguments of a program" in text for text in found)
    assert not any("tk-9f8e7d6c5b4a" in text for text in found)

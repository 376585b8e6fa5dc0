"""What is left of a container's writes when it does not end by itself."""

import modal
import pytest

from modal_contracts import departing
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, inferred
from modal_contracts.scene import DATA, Scene, content, paths
from modal_contracts.target import Capability

__all__ = ()

SIGNS = "/signs"


@clause(
    "volumes/a-killed-container-loses-its-last-writes-on-version-1",
    assumed(
        "nobody has said what becomes of a Function's writes; of a Sandbox that was ended abruptly "
        "one user found 1 of 7 messages on a volume of version 1, and all 7 on version 2"
    ),
    needs=[Capability.SUDDEN_DEATH],
)
def test_a_killed_container_loses_its_last_writes_on_version_1(scene: Scene) -> None:
    """What a killed container had not committed is not in a volume of version 1."""
    volume = scene.volume(1)
    scene.stop_time()
    with pytest.raises(Exception):  # noqa: B017 - in what words Modal reports it is not the claim
        scene.container(volume).run(departing.write_and_die, f"{DATA}/a.txt", "1")
    scene.settle()
    assert paths(volume) == []


@clause(
    "volumes/a-killed-container-leaves-its-last-writes-on-version-2",
    assumed(
        "nobody has said what becomes of a Function's writes; of a Sandbox that was ended abruptly "
        "one user found all 7 messages on a volume of version 2, and 1 of 7 on version 1"
    ),
    needs=[Capability.SUDDEN_DEATH],
)
def test_a_killed_container_leaves_its_last_writes_on_version_2(scene: Scene) -> None:
    """What a killed container had not committed is in a volume of version 2 soon after."""
    volume = scene.volume(2)
    with pytest.raises(Exception):  # noqa: B017 - in what words Modal reports it is not the claim
        scene.container(volume).run(departing.write_and_die, f"{DATA}/a.txt", "1")
    assert scene.eventually(lambda: paths(volume) == ["a.txt"])
    assert content(volume, "a.txt") == b"1"


@both_versions
@clause(
    "volumes/a-timed-out-container-commits-when-it-ends",
    assumed(
        "the input is cancelled and the container leaves in order, which is when the SDK's "
        "entrypoint commits; it is not documented that it gets the time"
    ),
)
def test_a_timed_out_container_commits_when_it_ends(scene: Scene, version: int) -> None:
    """What an input wrote before its timeout is committed by the container's end."""
    scene.stop_time()
    volume = scene.volume(version)
    container = scene.container(volume, timeout=2)
    with pytest.raises(modal.exception.FunctionTimeoutError):
        container.run(departing.write_and_stay, f"{DATA}/a.txt", "1")
    assert scene.eventually(lambda: paths(volume) == ["a.txt"])


@both_versions
@clause(
    "volumes/a-stopped-container-commits-and-its-input-begins-again",
    inferred("modal/cli/container.py", "stop"),
)
def test_a_stopped_container_commits_and_its_input_begins_again(scene: Scene, version: int) -> None:
    """
    A stopped container commits, and its input begins again in one that sees what was committed.

    The command says that the container is interrupted and its inputs are rescheduled; the
    commit is the one of every orderly end. A preemption is said to do the same, but nobody can
    ask Modal for one.
    """
    volume, signs = scene.volume(version), scene.volume()
    container = scene.container({DATA: volume, SIGNS: signs})
    result = container.begin(
        departing.resume_or_linger, f"{DATA}/a.txt", signs, f"{SIGNS}/container.txt"
    )
    assert scene.eventually(lambda: paths(signs) == ["container.txt"])
    scene.stop(content(signs, "container.txt").decode())
    assert result() == "left by the first run"

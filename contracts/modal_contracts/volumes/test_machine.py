"""What containers see in programs that nobody wrote, against a model of the rules."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed
from modal_contracts.opening import Opened
from modal_contracts.scene import Scene
from modal_contracts.shell import Shell
from modal_contracts.target import Capability
from modal_contracts.volumes.model import Rules
from modal_contracts.volumes.stage import Play

__all__ = ()

AFTER_KILL = {1: ("lost",), 2: ("lost", "kept")}


@both_versions
@pytest.mark.parametrize("sub_path", ["", "some/where"], ids=["whole", "sub_path"])
@clause(
    "volumes/containers-keep-to-the-model",
    assumed("the rules for files are documented; what becomes of directories is a guess"),
    since="1.4.3",
    needs=[Capability.SUB_PATHS, Capability.SUDDEN_DEATH],
)
def test_containers_keep_to_the_model(
    scene: Scene, modal_target: Opened, version: int, sub_path: str
) -> None:
    """In any row of steps, containers and the API show what a small model of the rules says."""
    pytest.importorskip("hypothesis", reason="the machine needs the extra `machine`")
    from modal_contracts.volumes.machine import perform

    @contextmanager
    def open_scene() -> Iterator[Scene]:
        with ExitStack() as stack:
            yield Scene(modal_target.target, modal_target.environment, stack, Shell())

    play = Play(version, sub_path, rules=Rules(after_kill=AFTER_KILL[version]))
    perform(open_scene, play, examples=2, steps=12)

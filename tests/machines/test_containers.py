"""
The machine of the clauses over every kind of mount, with nothing left to time.

Few examples here; `tox -e machine` plays many.
"""

from itertools import product

import pytest
from hypothesis import settings

from machines.conftest import OpenScene
from modal_contracts.volumes.machine import perform
from modal_contracts.volumes.model import Rules
from modal_contracts.volumes.stage import Play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

# The house's profile says 100, `--hypothesis-profile=long` many times as much.
SCALE = settings.default.max_examples / 100
STEPS = 15 if SCALE == 1 else 30
# What the default setting `after_kill` does.
STILL = {
    version: Rules(background=False, after_kill=(end,))
    for version, end in ((1, "lost"), (2, "kept"))
}


# Two of four with each kind of mount; the clauses' own machine plays all four in processes.
PLAYED = [(1, ""), (2, "some/where")] if SCALE == 1 else list(product((1, 2), ("", "some/where")))


@pytest.mark.parametrize(("version", "sub_path"), PLAYED)
def test_containers_keep_to_the_model(open_scene: OpenScene, version: int, sub_path: str) -> None:
    play = Play(version, sub_path, containers=2 + (version == 2), rules=STILL[version])
    perform(open_scene, play, examples=round(2 * SCALE), steps=STEPS)

"""Containers that cannot start."""

from typing import Any

import modal

from modal_contracts.calling import image
from modal_contracts.clause import clause
from modal_contracts.evidence import documented
from modal_contracts.functions import lives
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()


@clause(
    "functions/a-deployed-function-that-cannot-start-is-tried-again",
    documented("guide/retries"),
    needs=[Capability.CLOCK],
)
def test_a_deployed_function_that_cannot_start_is_tried_again(scene: Scene) -> None:
    """Inputs of a deployed app wait while its containers crash, and run once one starts."""
    tries = modal.Queue.from_name(name := scene.unused_name(), create_if_missing=True)
    tries.hydrate()
    app = modal.App(name)
    kind: Any = app.cls(serialized=True, image=image())(lives.HardToEnter)
    app.deploy(name=name)
    call = kind(queue=name, times=2).work.spawn()
    scene.advance(hours=1)
    assert call.get() == "done"
    assert tries.len() == 3

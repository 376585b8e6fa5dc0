"""When an input is tried again."""

from itertools import pairwise
from typing import Any

import modal
import pytest

from modal_contracts.calling import function
from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred
from modal_contracts.functions import work
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

GUIDE = documented("guide/retries")
CLOCK = [Capability.CLOCK]
MINUTE = modal.Retries(max_retries=2, backoff_coefficient=1.0, initial_delay=60.0)
DOUBLING = modal.Retries(max_retries=4, backoff_coefficient=2.0, initial_delay=10.0, max_delay=30.0)


@clause("functions/a-failed-input-is-tried-again", GUIDE)
def test_a_failed_input_is_tried_again(scene: Scene) -> None:
    """With `retries`, an input that fails is tried again; the last result counts."""
    marks = scene.queue()
    again = function(scene, work.fail_at_first, retries=_soon(2))
    assert again.remote(marks, 2) == 3


@clause("functions/after-so-many-retries-the-last-error-counts", GUIDE)
def test_after_so_many_retries_the_last_error_counts(scene: Scene) -> None:
    """An input that fails more often than there are retries fails with its last error."""
    marks = scene.queue()
    with pytest.raises(ArithmeticError, match="try 3"):
        function(scene, work.fail_at_first, retries=_soon(2)).remote(marks, 9)
    assert marks.len() == 3


@clause("functions/each-input-of-a-map-is-tried-again", GUIDE)
def test_each_input_of_a_map_is_tried_again(scene: Scene) -> None:
    """Of a map, each input has its own tries."""
    marks = [scene.queue() for _ in range(3)]
    again = function(scene, work.fail_at_first, retries=_soon(1))
    assert list(again.starmap((each, 1) for each in marks)) == [2, 2, 2]


@clause("functions/a-fixed-delay-lies-between-tries", GUIDE, needs=CLOCK)
def test_a_fixed_delay_lies_between_tries(scene: Scene) -> None:
    """With a coefficient of one, the same delay lies between each two tries."""
    assert _delays(scene, MINUTE) == [60, 60]


@clause("functions/a-delay-may-grow-to-a-limit", GUIDE, needs=CLOCK)
def test_a_delay_may_grow_to_a_limit(scene: Scene) -> None:
    """With a coefficient above one the delay grows, up to `max_delay`."""
    assert _delays(scene, DOUBLING) == [10, 20, 30, 30]


@clause("functions/a-crash-is-tried-again", GUIDE, needs=[Capability.SUDDEN_DEATH])
def test_a_crash_is_tried_again(scene: Scene) -> None:
    """An input whose container died is tried again in another one."""
    marks = scene.queue()
    assert function(scene, work.die_at_first, retries=_soon(2)).remote(marks, 2) == 3
    assert len(set(marks.get_many(3))) == 3


@clause("functions/generators-are-not-tried-again", inferred("modal/_functions.py", "_Function"))
def test_generators_are_not_tried_again(scene: Scene) -> None:
    """A generator cannot have retries."""
    del scene
    with pytest.raises(
        modal.exception.InvalidError, match=r"(?i)generator functions do not support retries"
    ):
        modal.App().function(serialized=True, retries=1)(work.count_up)


def _soon(times: int) -> modal.Retries:
    return modal.Retries(max_retries=times, backoff_coefficient=1.0, initial_delay=0.0)


def _delays(scene: Scene, retries: Any) -> list[int]:
    """Return the seconds between the tries of an input that always fails."""
    scene.stop_time()
    marks = scene.queue()
    call = function(scene, work.fail_at_first, retries=retries).spawn(marks, 99)
    scene.advance(minutes=5)
    with pytest.raises(ArithmeticError):
        call.get()
    times = marks.get_many(99)
    return [round(after - before) for before, after in pairwise(times)]

"""How many containers there are, what each takes, and when it leaves."""

from typing import Any

import modal
import pytest

from modal_contracts.calling import function, one_input_only
from modal_contracts.clause import clause
from modal_contracts.evidence import documented
from modal_contracts.functions import work
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

SCALE = documented("guide/scale")
COLD = documented("guide/cold-start")
CONCURRENCY = documented("guide/concurrent-inputs")
BATCHING = documented("guide/dynamic-batching")
CLOCK = [Capability.CLOCK]


@clause("functions/a-warm-container-takes-the-next-input", COLD)
def test_a_warm_container_takes_the_next_input(scene: Scene) -> None:
    """Inputs that come one after the other are taken by one container."""
    container = function(scene, work.container)
    assert len({container.remote() for _ in range(3)}) == 1


@clause("functions/inputs-that-wait-get-containers-of-their-own", SCALE)
def test_inputs_that_wait_get_containers_of_their_own(scene: Scene) -> None:
    """Inputs that come at the same time are worked on at the same time."""
    assert len(_at_once(scene, 3)) == 3


@clause("functions/there-are-no-more-containers-than-allowed", SCALE)
def test_there_are_no_more_containers_than_allowed(scene: Scene) -> None:
    """With `max_containers`, further inputs wait."""
    sleep = function(scene, work.sleep, max_containers=2)
    assert len(set(sleep.map([0.1] * 6))) <= 2


@clause("functions/an-idle-container-leaves-after-its-window", COLD, needs=CLOCK)
def test_an_idle_container_leaves_after_its_window(scene: Scene) -> None:
    """A container that is idle for longer than `scaledown_window` leaves."""
    scene.advance(seconds=1)  # a clock that was never moved may cost the first container
    container = function(scene, work.container, scaledown_window=600)
    first = container.remote()
    scene.advance(seconds=500)
    assert container.remote() == first
    scene.advance(seconds=700)
    assert container.remote() != first


@clause("functions/min-containers-stay", SCALE, needs=CLOCK)
def test_min_containers_stay(scene: Scene) -> None:
    """As many containers as `min_containers` says stay, however idle they are."""
    scene.advance(seconds=1)  # as above
    container = function(scene, work.container, min_containers=1, scaledown_window=10)
    assert scene.eventually(lambda: container.get_current_stats().num_total_runners == 1)
    first = container.remote()
    scene.advance(hours=1)
    assert container.remote() == first


@clause("functions/buffer-containers-are-beyond-need", SCALE)
def test_buffer_containers_are_beyond_need(scene: Scene) -> None:
    """While a function is busy, `buffer_containers` more are there than its inputs need."""
    marks, go = scene.queue(), scene.queue()
    linger = function(scene, work.linger, buffer_containers=1)
    call = linger.spawn(marks, go)
    marks.get()
    assert scene.eventually(lambda: linger.get_current_stats().num_total_runners == 2)
    go.put(True)
    call.get()


@clause("functions/a-container-may-take-one-input-only", SCALE)
def test_a_container_may_take_one_input_only(scene: Scene) -> None:
    """With `single_use_containers` each input gets a new container."""
    container = function(scene, work.container, **one_input_only())
    assert len({container.remote() for _ in range(3)}) == 3


@clause("functions/a-container-may-take-several-inputs-at-once", CONCURRENCY)
def test_a_container_may_take_several_inputs_at_once(scene: Scene) -> None:
    """With `concurrent(max_inputs=...)` a container works on as many inputs at a time."""
    assert len(_at_once(scene, 3, max_inputs=3)) == 1


@clause("functions/target-inputs-start-more-containers", CONCURRENCY)
def test_target_inputs_start_more_containers(scene: Scene) -> None:
    """With `target_inputs`, containers are started as if each took no more than these."""
    marks, go = scene.queue(), scene.queue()
    body = modal.concurrent(max_inputs=4, target_inputs=2)(work.linger)
    linger = function(scene, body)
    calls = [linger.spawn(marks, go) for _ in range(4)]
    for _ in calls:
        marks.get()
    assert scene.eventually(lambda: linger.get_current_stats().num_total_runners == 2)
    go.put_many([True] * 4)
    assert all(call.get() for call in calls)


@clause("functions/inputs-of-a-batch-come-together", BATCHING)
def test_inputs_of_a_batch_come_together(scene: Scene) -> None:
    """A batched function gets lists of what several calls passed, and gives a list of results."""
    body = modal.batched(max_batch_size=4, wait_ms=60_000)(work.double_each)
    doubled = function(scene, body, max_containers=1)
    assert sorted(doubled.map(range(4))) == [(0, 4), (2, 4), (4, 4), (6, 4)]


@clause("functions/a-batch-does-not-wait-for-long", BATCHING)
def test_a_batch_does_not_wait_for_long(scene: Scene) -> None:
    """A batch that is not full begins after `wait_ms`."""
    doubled = function(scene, modal.batched(max_batch_size=4, wait_ms=50)(work.double_each))
    assert doubled.remote(3) == (6, 1)


@clause("functions/a-batch-must-give-as-many-results", BATCHING)
def test_a_batch_must_give_as_many_results(scene: Scene) -> None:
    """A batched function that gives another number of results fails its inputs."""
    lossy = function(scene, modal.batched(max_batch_size=2, wait_ms=0)(work.first_only))
    with pytest.raises(modal.exception.InvalidError, match="list of equal length"):
        lossy.remote(1)


@clause("functions/limits-that-contradict-are-refused", SCALE)
def test_limits_that_contradict_are_refused(scene: Scene) -> None:
    """Fewer containers at most than at least are refused where the function is written."""
    del scene
    with pytest.raises(modal.exception.InvalidError, match="min_containers"):
        modal.App().function(serialized=True, min_containers=3, max_containers=2)(work.nothing)


def _at_once(scene: Scene, count: int, max_inputs: int = 1) -> set[str]:
    """Return the containers that work on so many inputs at the same time."""
    marks, go = scene.queue(), scene.queue()
    body: Any = work.linger
    if max_inputs > 1:
        body = modal.concurrent(max_inputs=max_inputs)(body)
    linger = function(scene, body)
    calls = [linger.spawn(marks, go) for _ in range(count)]
    there = {str(marks.get()) for _ in calls}
    go.put_many([True] * count)
    assert {call.get() for call in calls} == there
    return there

"""Who waits for a Queue, and who gets what comes."""

import queue

import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Scene

__all__ = ()

GUIDE = documented("guide/dicts-and-queues")


@clause("queues/a-container-waits-for-a-value", GUIDE)
def test_a_container_waits_for_a_value(scene: Scene) -> None:
    """A blocking `get` in a container returns what is put after it began."""
    line = scene.queue()
    container = scene.container()
    container.start()
    taken = container.begin(bodies.call, line, "get", timeout=30)
    line.put("value")
    assert taken() == "value"
    assert line.len() == 0


@clause("queues/containers-talk-by-queues", GUIDE)
def test_containers_talk_by_queues(scene: Scene) -> None:
    """One container answers what the other asks, each waiting for its partition."""
    line = scene.queue()
    asking, answering = scene.containers(2)
    asking.start()
    question = answering.begin(bodies.answer, line)
    assert asking.run(bodies.ask, line, 20) == 40
    assert question() == 20


@clause(
    "queues/a-wait-in-a-container-ends-in-empty",
    inferred("modal/queue.py", "_Queue._get_blocking"),
)
def test_a_wait_in_a_container_ends_in_empty(scene: Scene) -> None:
    """A `get` in a container that waited long enough raises `queue.Empty`, also to the caller."""
    line = scene.queue()
    with pytest.raises(queue.Empty):
        scene.container().run(bodies.call, line, "get", timeout=0.05)


@clause(
    "queues/each-value-goes-to-one-taker",
    assumed("the guide calls it a queue for work among containers; each item is taken once"),
)
def test_each_value_goes_to_one_taker(scene: Scene) -> None:
    """Of containers that take from one Queue at the same time, each gets other values, in order."""
    values = list(range(40))
    line = scene.queue(*values)
    takers = [each.begin(bodies.take_each, line) for each in scene.containers(2)]
    taken = [take() for take in takers]
    assert sorted(taken[0] + taken[1]) == values
    assert all(part == sorted(part) for part in taken)


@clause("queues/it-outlives-its-apps", GUIDE)
def test_it_outlives_its_apps(scene: Scene) -> None:
    """A named Queue keeps what a container put when that container's app has ended."""
    line = scene.queue()
    scene.run_once(bodies.call, line, "put", "value", volumes={})
    assert line.get(block=False) == "value"

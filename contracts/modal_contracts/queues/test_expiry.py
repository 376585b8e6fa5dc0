"""How long what is in a Queue lives."""

import queue

import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

GUIDE = documented("guide/dicts-and-queues")
REFERENCE = documented("sdk/py/latest/modal.Queue")
CLOCK = {Capability.CLOCK}


@clause("queues/a-partition-ends-a-day-after-the-last-put", GUIDE, needs=CLOCK)
def test_a_partition_ends_a_day_after_the_last_put(scene: Scene) -> None:
    """All items of a partition go 24 hours after the last put to it, the older ones with it."""
    line = scene.queue("old")
    scene.advance(hours=20)
    line.put("new")
    scene.advance(hours=20)
    assert list(line.iterate()) == ["old", "new"]
    scene.advance(hours=4, seconds=1)
    assert line.len() == 0
    assert line.get(block=False) is None
    line.put("again")
    assert line.get() == "again"


@clause("queues/each-partition-ends-for-itself", REFERENCE, needs=CLOCK)
def test_each_partition_ends_for_itself(scene: Scene) -> None:
    """A put to one partition does not keep another."""
    line = scene.queue()
    line.put(1, partition="a")
    line.put(2, partition="b")
    scene.advance(hours=20)
    line.put(3, partition="b")
    scene.advance(hours=20)
    assert line.len(partition="a") == 0
    assert line.get_many(5, partition="b") == [2, 3]


@clause("queues/a-partition-may-end-earlier", REFERENCE, needs=CLOCK)
def test_a_partition_may_end_earlier(scene: Scene) -> None:
    """`partition_ttl` says after how many seconds a partition ends."""
    line = scene.queue()
    scene.stop_time()
    line.put(1, partition="a", partition_ttl=10)
    line.put_many([2, 3], partition_ttl=20)
    scene.advance(seconds=15)
    assert (line.len(partition="a"), line.len()) == (0, 2)
    scene.advance(seconds=6)
    assert line.len(total=True) == 0


@clause(
    "queues/a-get-keeps-no-partition",
    assumed("the span is said to begin with the last put, so that taking does not move it"),
    needs=CLOCK,
)
def test_a_get_keeps_no_partition(scene: Scene) -> None:
    """Taking and looking do not put off the end of a partition."""
    line = scene.queue(1, 2, 3)
    scene.advance(hours=20)
    assert line.get() == 1
    assert list(line.iterate()) == [2, 3]
    scene.advance(hours=5)
    assert line.len() == 0


@clause("queues/a-long-wait-ends", inferred("modal/queue.py", "_Queue._get_blocking"), needs=CLOCK)
def test_a_long_wait_ends(scene: Scene) -> None:
    """A `get` with a timeout of some minutes ends when they have passed."""
    line = scene.queue()
    container = scene.container()
    scene.advance(seconds=1)  # what runs already may not see that time is made to pass
    container.start()
    wait = container.begin(bodies.call, line, "get", timeout=170)
    scene.advance(minutes=4)
    with pytest.raises(queue.Empty):
        wait()

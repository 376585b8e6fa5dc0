"""The partitions of a Queue, each a line of its own."""

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred
from modal_contracts.scene import Scene

__all__ = ()

GUIDE = documented("guide/dicts-and-queues")
RULE = "Queue partition key must be between 1 and 64 characters."


@clause("queues/partitions-are-lines-of-their-own", GUIDE)
def test_partitions_are_lines_of_their_own(scene: Scene) -> None:
    """What is put into one partition is neither taken, counted nor cleared in another."""
    line = scene.queue("default")
    line.put_many([1, 2], partition="a")
    line.put("b", partition="b")
    assert (line.len(), line.len(partition="a"), line.len(partition="c")) == (1, 2, 0)
    assert line.get(partition="b") == "b"
    assert line.get(partition="b", block=False) is None
    line.clear()
    assert line.len() == 0
    assert line.get_many(5, partition="a") == [1, 2]


@clause("queues/all-partitions-are-counted-and-cleared", inferred("modal/queue.py", "_Queue.len"))
def test_all_partitions_are_counted_and_cleared(scene: Scene) -> None:
    """`len(total=True)` counts all partitions, and `clear(all=True)` empties them."""
    line = scene.queue(1)
    line.put_many([1, 2], partition="a")
    assert line.len(total=True) == 3
    line.clear(partition="a")
    assert line.len(total=True) == 1
    line.put(1, partition="b")
    line.clear(all=True)
    assert line.len(total=True) == 0


@clause("queues/all-and-one-partition-exclude-each-other", inferred("modal/queue.py", "_Queue.len"))
def test_all_and_one_partition_exclude_each_other(scene: Scene) -> None:
    """To name a partition and ask for all is refused in these words."""
    line = scene.queue()
    with pytest.raises(modal.exception.InvalidError) as refusal:
        line.len(partition="a", total=True)
    assert str(refusal.value) == "Partition must be null when requesting total length."
    with pytest.raises(modal.exception.InvalidError) as refusal:
        line.clear(partition="a", all=True)
    assert str(refusal.value) == "Partition must be null when requesting to clear all."


@pytest.mark.parametrize("key", ["", "x" * 65, "ü" * 33], ids=["empty", "long", "bytes"])
@clause(
    "queues/a-partition-key-has-1-to-64-bytes",
    inferred("modal/queue.py", "_Queue.validate_partition_key"),
)
def test_a_partition_key_has_1_to_64_bytes(scene: Scene, key: str) -> None:
    """An empty key, and one of more than 64 bytes in UTF-8, are refused in these words."""
    line = scene.queue()
    for ask in (line.get, line.len, line.clear, lambda partition: line.put(1, partition=partition)):
        with pytest.raises(modal.exception.InvalidError) as refusal:
            ask(partition=key)
        assert str(refusal.value) == RULE
    line.put(1, partition="x" * 64)
    assert line.get(partition="x" * 64) == 1

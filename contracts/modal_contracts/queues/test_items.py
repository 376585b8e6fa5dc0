"""What is put into a Queue and taken out: order, several at once, and how much there may be."""

import queue
from typing import Any

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred, live_tested
from modal_contracts.scene import Scene

__all__ = ()

REFERENCE = documented("sdk/py/latest/modal.Queue")
SUITE = live_tested("js/test/queue.test.ts", "QueueSuite1")
MANY = live_tested("js/test/queue.test.ts", "QueueSuite2")
MEBIBYTE = 1 << 20
PARTITION_ITEMS = 5_000


@clause("queues/what-is-put-first-is-taken-first", SUITE)
def test_what_is_put_first_is_taken_first(scene: Scene) -> None:
    """Values come out in the order in which they went in, each once."""
    values: list[Any] = ["a", 1, None, {"deep": [1.5, {2}]}, b"\0" * 1000, "ü"]
    line = scene.queue()
    for value in values:
        line.put(value)
    assert line.len() == len(values)
    assert [line.get() for _ in values] == values
    assert line.len() == 0


@clause("queues/many-keep-their-order", MANY)
def test_many_keep_their_order(scene: Scene) -> None:
    """`put_many` adds in order, `get_many` takes up to so many and no more than there are."""
    line = scene.queue(1, 2)
    line.put_many([3, 4, 5])
    assert line.get_many(2) == [1, 2]
    assert line.get_many(10) == [3, 4, 5]
    assert line.len() == 0


@clause("queues/an-empty-queue-gives-none", inferred("modal/queue.py", "_Queue.get"))
def test_an_empty_queue_gives_none(scene: Scene) -> None:
    """Without blocking, `get` of nothing is None and `get_many` an empty list."""
    line = scene.queue()
    assert line.get(block=False) is None
    assert line.get_many(3, block=False) == []


@clause("queues/an-empty-queue-ends-a-wait", SUITE)
def test_an_empty_queue_ends_a_wait(scene: Scene) -> None:
    """A `get` that waited as long as it was told raises the `Empty` of Python's `queue`."""
    line = scene.queue()
    for seconds in (0, 0.01):
        with pytest.raises(queue.Empty):
            line.get(timeout=seconds)
        with pytest.raises(queue.Empty):
            line.get_many(3, timeout=seconds)


@clause("queues/a-timeout-without-blocking-warns", inferred("modal/queue.py", "_Queue.get"))
def test_a_timeout_without_blocking_warns(scene: Scene) -> None:
    """A timeout beside `block=False` is ignored with a warning in these words."""
    line = scene.queue()
    with pytest.warns(UserWarning, match=r"Timeout is ignored for non-blocking get\."):
        assert line.get(block=False, timeout=60) is None


@clause("queues/handles-are-values", documented("guide/dicts-and-queues"))
def test_handles_are_values(scene: Scene) -> None:
    """A handle to another object may be put, and works when it is taken."""
    line = scene.queue(scene.dict({"key": "value"}))
    taken = line.get()
    assert isinstance(taken, modal.Dict)
    assert taken["key"] == "value"


@clause("queues/an-item-may-have-a-mebibyte", documented("guide/dicts-and-queues"))
def test_an_item_may_have_a_mebibyte(scene: Scene) -> None:
    """A value near the greatest size arrives unchanged, and several of them at once do."""
    value = bytes(range(256)) * (MEBIBYTE // 256 - 1)
    line = scene.queue(value, value[::-1], value)
    assert line.get_many(3) == [value, value[::-1], value]


@clause(
    "queues/a-larger-item-is-refused",
    assumed("the limit of 1 MiB per item is documented, what tells of it is read off the SDK"),
)
def test_a_larger_item_is_refused(scene: Scene) -> None:
    """A value of more than 1 MiB raises RequestSizeError and is not put."""
    line = scene.queue()
    with pytest.raises(modal.exception.RequestSizeError) as refusal:
        line.put(bytes(MEBIBYTE + 1))
    assert str(refusal.value) == "Queue.put request is too large"
    with pytest.raises(modal.exception.RequestSizeError) as refusal:
        line.put_many([1, bytes(MEBIBYTE + 1)])
    assert str(refusal.value) == "Queue.put_many request is too large"
    assert line.len() == 0


@clause("queues/a-full-partition-refuses", REFERENCE)
def test_a_full_partition_refuses(scene: Scene) -> None:
    """The 5,001st item of a partition raises the `Full` of Python's `queue`; others have room."""
    line = scene.queue()
    line.put_many(list(range(PARTITION_ITEMS)), partition="full")
    with pytest.raises(queue.Full):
        line.put("more", block=False, partition="full")
    with pytest.raises(queue.Full):
        line.put("more", timeout=0.01, partition="full")
    line.put("more", block=False)
    assert line.get(partition="full") == 0
    line.put("more", block=False, partition="full")
    assert line.len(partition="full") == PARTITION_ITEMS


@clause(
    "queues/what-does-not-fit-is-not-put-in-part",
    assumed("`put_many` is one request; it is assumed to fail or succeed as one"),
)
def test_what_does_not_fit_is_not_put_in_part(scene: Scene) -> None:
    """`put_many` of more than there is room for puts nothing."""
    line = scene.queue()
    line.put_many(list(range(PARTITION_ITEMS - 1)))
    with pytest.raises(queue.Full):
        line.put_many(["one", "two"], block=False)
    assert line.len() == PARTITION_ITEMS - 1
    line.put_many(["one"], block=False)


@clause("queues/clear-takes-all", REFERENCE)
def test_clear_takes_all(scene: Scene) -> None:
    """After `clear` the Queue is there and empty."""
    line = scene.queue(1, 2)
    line.clear()
    assert line.len() == 0
    line.put(3)
    assert line.get() == 3

"""Looking through a Queue without taking anything."""

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, inferred, live_tested
from modal_contracts.scene import Scene

__all__ = ()

SUITE = live_tested("js/test/queue.test.ts", "QueueSuite1")
ITERATE = inferred("modal/queue.py", "_Queue.iterate")


@clause("queues/iterate-leaves-all-in-place", SUITE)
def test_iterate_leaves_all_in_place(scene: Scene) -> None:
    """`iterate` gives what is there in order, ends, and takes nothing."""
    values = list(range(120))
    line = scene.queue(*values)
    assert list(line.iterate()) == values
    assert list(line.iterate()) == values
    assert line.len() == 120


@clause("queues/iterate-keeps-to-its-partition", SUITE)
def test_iterate_keeps_to_its_partition(scene: Scene) -> None:
    """`iterate` looks through one partition, the default one unless another is named."""
    line = scene.queue("default")
    line.put_many([1, 2], partition="a")
    assert list(line.iterate()) == ["default"]
    assert list(line.iterate(partition="a")) == [1, 2]
    assert list(line.iterate(partition="b")) == []


@clause("queues/iterate-goes-on-where-it-was", ITERATE)
def test_iterate_goes_on_where_it_was(scene: Scene) -> None:
    """With a patience, an iterator goes on with what is put later, and repeats nothing."""
    line = scene.queue(1, 2)
    values = line.iterate(item_poll_timeout=30)
    assert [next(values), next(values)] == [1, 2]
    line.put(3)
    assert next(values) == 3
    line.put_many([4, 5])
    assert [next(values), next(values)] == [4, 5]
    assert line.len() == 5


@clause(
    "queues/iterate-stands-though-its-place-is-taken",
    assumed("iteration resumes by the id of an entry; ids are assumed to stay in order"),
)
def test_iterate_stands_though_its_place_is_taken(scene: Scene) -> None:
    """When what an iterator gave last is taken meanwhile, it goes on with what comes after."""
    line = scene.queue(1)
    values = line.iterate(item_poll_timeout=30)
    assert next(values) == 1
    assert line.get() == 1
    line.put(2)
    assert next(values) == 2
    assert line.get() == 2


@clause("queues/iterate-waits-for-what-comes", ITERATE)
def test_iterate_waits_for_what_comes(scene: Scene) -> None:
    """With a patience, an iterator over nothing waits for the first value."""
    line = scene.queue()
    container = scene.container()
    container.start()
    first = container.begin(bodies.first_of, line, 30)
    line.put("here")
    assert first() == "here"
    assert line.len() == 1

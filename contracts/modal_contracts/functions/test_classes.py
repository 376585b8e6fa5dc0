"""Classes: parameters, options, and what happens before and after the inputs."""

from typing import Any

import modal
import pytest

from modal_contracts.calling import class_of, image, one_input_only
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.functions import lives
from modal_contracts.scene import Scene

__all__ = ()

LIFE = documented("guide/lifecycle-functions")
PARAMETERS = documented("guide/parametrized-functions")
OPTIONS = documented("sdk/py/latest/modal.Cls")


@clause("functions/methods-of-an-object-share-a-container", LIFE)
def test_methods_of_an_object_share_a_container(scene: Scene) -> None:
    """What `enter` prepares is there for each input, and for each method."""
    kind = class_of(scene, lives.Counter)
    counter = kind()
    assert [counter.add.remote(2), counter.add.remote(3)] == [2, 5]
    assert counter.entered.remote() == 1


@clause("functions/parameters-make-containers-apart", PARAMETERS)
def test_parameters_make_containers_apart(scene: Scene) -> None:
    """Objects with different parameters are in different containers, equal ones in the same."""
    kind = class_of(scene, lives.Named)
    first, second, again = kind(name="a"), kind(name="b", count=2), kind(name="a")
    assert first.tell.remote() == ("a", 1)
    assert second.tell.remote() == ("b", 2)
    where = [each.container.remote() for each in (first, second, again)]
    assert where[0] == where[2] != where[1]


@clause("functions/parameters-are-checked", PARAMETERS)
def test_parameters_are_checked(scene: Scene) -> None:
    """A parameter of another type, or one that is not there, is refused."""
    kind = class_of(scene, lives.Named)
    with pytest.raises(Exception, match=r"(?i)expected|type|invalid"):
        kind(name=3).tell.remote()
    with pytest.raises(Exception, match="colour"):
        kind(name="a", colour="red").tell.remote()
    with pytest.raises(Exception, match="name"):
        kind().tell.remote()


@clause("functions/an-object-works-here-too", OPTIONS)
def test_an_object_works_here_too(scene: Scene) -> None:
    """`local` runs a method on an object of this process, entered once."""
    counter = class_of(scene, lives.Counter)()
    assert [counter.add.local(2), counter.add.local(3)] == [2, 5]
    assert counter.entered.local() == 1


@clause("functions/enter-comes-in-order-and-exit-at-the-end", LIFE)
def test_enter_comes_in_order_and_exit_at_the_end(scene: Scene) -> None:
    """What is entered before a snapshot comes first, then the rest; what exits comes at the end."""
    marks = modal.Queue.from_name(name := scene.unused_name(), create_if_missing=True)
    marks.hydrate()
    app = modal.App()
    kind: Any = app.cls(
        serialized=True, image=image(), enable_memory_snapshot=True, **one_input_only()
    )(lives.Orderly)
    with app.run():
        kind(queue=name).work.remote()
        assert [marks.get() for _ in range(4)] == ["snapshot", "enter", "work", "exit"]


@clause("functions/exit-comes-when-the-app-ends", LIFE)
def test_exit_comes_when_the_app_ends(scene: Scene) -> None:
    """A warm container runs its exit handlers when its app ends."""
    marks = modal.Queue.from_name(name := scene.unused_name(), create_if_missing=True)
    marks.hydrate()
    app = modal.App()
    kind: Any = app.cls(serialized=True, image=image(), enable_memory_snapshot=True)(lives.Orderly)
    with app.run():
        kind(queue=name).work.remote()
    assert [marks.get() for _ in range(4)][-1] == "exit"


@clause(
    "functions/exit-writes-are-committed",
    inferred("modal/_runtime/user_code_imports.py", "Service.lifecycle_context"),
)
def test_exit_writes_are_committed(scene: Scene) -> None:
    """Volumes are committed after the exit handlers, so what these write is kept."""
    volume = scene.volume()
    app = modal.App()
    kind: Any = app.cls(serialized=True, image=image(), volumes={"/data": volume})(lives.Writer)
    with app.run():
        kind().work.remote()
    assert scene.eventually(
        lambda: sorted(entry.path for entry in volume.listdir("/")) == ["exit.txt", "work.txt"]
    )


@clause("functions/an-enter-that-fails-fails-the-inputs", LIFE)
def test_an_enter_that_fails_fails_the_inputs(scene: Scene) -> None:
    """What `enter` raises reaches the callers of an app that runs."""
    with pytest.raises(LookupError, match="cannot enter"):
        class_of(scene, lives.CannotEnter)().work.remote()


@clause(
    "functions/a-class-with-a-constructor-is-refused",
    inferred("modal/cls.py", "_Cls._validate_construction_mechanism"),
    since="1.6.4",
)
def test_a_class_with_a_constructor_is_refused(scene: Scene) -> None:
    """A class with a constructor of its own, and parameters that this has, cannot be used."""
    with pytest.raises(modal.exception.InvalidError, match="constructor"):
        class_of(scene, lives.CannotBeMade)().work.remote()


@clause(
    "functions/an-exit-that-fails-fails-nothing",
    assumed("the input has its result when exit handlers run; the SDK logs what they raise"),
)
def test_an_exit_that_fails_fails_nothing(scene: Scene) -> None:
    """An exit handler that raises takes nothing back."""
    kind = class_of(scene, lives.CannotExit, **one_input_only())
    assert [kind().work.remote() for _ in range(2)] == ["done", "done"]


@clause("functions/options-make-a-variant", OPTIONS)
def test_options_make_a_variant(scene: Scene) -> None:
    """`with_options` gives a variant of a class with its own containers and limits."""
    scene.stop_time()
    secret = scene.secret({"FLAVOUR": "sweet"})
    kind = class_of(scene, lives.Counter)
    variant = kind.with_options(secrets=[secret], timeout=1)
    assert kind().flavour.remote() is None
    assert variant().flavour.remote() == "sweet"
    with pytest.raises(modal.exception.FunctionTimeoutError):
        variant().sleep.remote(60)
    assert kind().sleep.remote(0.01) is None


@clause("functions/a-variant-may-be-concurrent-or-batched", OPTIONS, since="1.1.0")
def test_a_variant_may_be_concurrent_or_batched(scene: Scene) -> None:
    """`with_concurrency` and `with_batching` give variants that take several inputs at once."""
    marks, go = scene.queue(), scene.queue()
    kind = class_of(scene, lives.Waiter)
    many = kind.with_concurrency(max_inputs=2)()
    calls = [many.linger.spawn(marks, go) for _ in range(2)]
    assert marks.get() == marks.get()
    go.put_many([True, True])
    assert len({call.get() for call in calls}) == 1

    batched = class_of(scene, lives.Doubler).with_batching(max_batch_size=2, wait_ms=2000)()
    assert list(batched.double.map([1, 2])) == [2, 4]


@clause("functions/methods-map-spawn-and-generate", OPTIONS)
def test_methods_map_spawn_and_generate(scene: Scene) -> None:
    """Methods are called in all the ways in which functions are."""
    kind = class_of(scene, lives.Named)
    named = kind(name="a")
    assert list(named.times.map([1, 2])) == ["a", "aa"]
    assert named.times.spawn(3).get() == "aaa"
    assert list(named.letters.remote_gen(3)) == ["a", "a", "a"]

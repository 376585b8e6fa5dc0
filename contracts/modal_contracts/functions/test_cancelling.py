"""What becomes of inputs that nobody wants any more."""

import modal
import pytest

from modal_contracts.calling import function, functions
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.functions import work
from modal_contracts.scene import Scene

__all__ = ()

CANCEL = documented("sdk/py/latest/modal.FunctionCall#cancel")
CONCURRENCY = documented("guide/concurrent-inputs")


@clause("functions/a-cancelled-call-raises-where-it-runs", CONCURRENCY)
def test_a_cancelled_call_raises_where_it_runs(scene: Scene) -> None:
    """Synchronous code meets InputCancellation, asynchronous code CancelledError."""
    both = ((work.tell_and_wait, "InputCancellation"), (work.tell_and_wait_async, "CancelledError"))
    for body, met in both:
        marks = scene.queue()
        call = function(scene, body).spawn(marks, 60)
        assert marks.get() == "begins"
        call.cancel()
        assert marks.get() == met


@clause(
    "functions/a-cancelled-call-has-no-result",
    assumed("the SDK raises RemoteError for a result that is neither good nor an exception"),
)
def test_a_cancelled_call_has_no_result(scene: Scene) -> None:
    """To ask for the result of a cancelled call is an error, now and later."""
    call = function(scene, work.sleep).spawn(60)
    call.cancel()
    for _ in range(2):
        with pytest.raises(modal.exception.Error):
            call.get(timeout=30)


@clause("functions/a-cancelled-input-is-not-tried-again", CANCEL)
def test_a_cancelled_input_is_not_tried_again(scene: Scene) -> None:
    """A cancelled input has no further tries."""
    marks = scene.queue()
    retries = modal.Retries(max_retries=3, initial_delay=0.0)
    waiting = function(scene, work.tell_and_wait, retries=retries)
    call = waiting.spawn(marks, 60)
    assert marks.get() == "begins"
    call.cancel()
    assert marks.get() == "InputCancellation"
    waiting.spawn(marks, 0).get()
    assert marks.get_many(9) == ["begins", "ends"]


@clause(
    "functions/a-container-outlives-a-cancelled-input",
    inferred(
        "modal/_runtime/container_io_manager.py", "_ContainerIOManager.handle_input_exception"
    ),
)
def test_a_container_outlives_a_cancelled_input(scene: Scene) -> None:
    """The container of a cancelled input takes the next one."""
    marks = scene.queue()
    waiting, go = function(scene, work.linger, max_containers=1), scene.queue()
    call = waiting.spawn(marks, go)
    first = marks.get()
    call.cancel()
    go.put(True)
    go.put(True)
    assert waiting.remote(marks, go) == first


@clause("functions/one-of-several-async-inputs-is-cancelled-alone", CONCURRENCY)
def test_one_of_several_async_inputs_is_cancelled_alone(scene: Scene) -> None:
    """Of several asynchronous inputs in a container one can be cancelled."""
    marks, others = scene.queue(), scene.queue()
    body = modal.concurrent(max_inputs=2)(work.tell_and_wait_async)
    waiting = function(scene, body, max_containers=1)
    doomed, other = waiting.spawn(marks, 60), waiting.spawn(others, 2)
    assert marks.get() == others.get() == "begins"
    doomed.cancel()
    assert marks.get() == "CancelledError"
    other.get()
    assert others.get() == "ends"


@clause("functions/one-of-several-sync-inputs-takes-its-container-along", CONCURRENCY)
def test_one_of_several_sync_inputs_takes_its_container_along(scene: Scene) -> None:
    """Of several synchronous inputs none can be cancelled alone: the others begin again."""
    marks, others, go = scene.queue(), scene.queue(), scene.queue()
    body = modal.concurrent(max_inputs=2)(work.linger)
    waiting = function(scene, body, max_containers=1)
    doomed, other = waiting.spawn(marks, go), waiting.spawn(others, go)
    first = marks.get()
    assert others.get() == first
    doomed.cancel()
    second = others.get()
    assert second != first
    go.put_many([True] * 4)  # threads of the first container may still be there to take some
    assert other.get() == second


@clause("functions/a-cancel-may-end-the-container", CANCEL)
def test_a_cancel_may_end_the_container(scene: Scene) -> None:
    """With `terminate_containers=True` the container that works on the input ends."""
    marks, go = scene.queue(), scene.queue()
    waiting = function(scene, work.linger, max_containers=1)
    call = waiting.spawn(marks, go)
    first = marks.get()
    call.cancel(terminate_containers=True)
    go.put_many([True, True])
    assert waiting.remote(marks, go) != first


@clause("functions/a-waiting-input-is-cancelled-before-it-begins", CANCEL)
def test_a_waiting_input_is_cancelled_before_it_begins(scene: Scene) -> None:
    """An input that nobody has begun with never begins."""
    marks, go = scene.queue(), scene.queue()
    waiting = function(scene, work.linger, max_containers=1)
    busy = waiting.spawn(marks, go)
    first = marks.get()
    waiting.spawn(marks, go).cancel()
    go.put_many([True, True])
    assert busy.get() == waiting.remote(marks, go) == first
    assert marks.get_many(9) == [first]


@clause(
    "functions/who-calls-is-not-cancelled-with-what-it-called",
    assumed("nothing says that a spawned call depends on the call that spawned it"),
)
def test_who_calls_is_not_cancelled_with_what_it_called(scene: Scene) -> None:
    """A spawned call goes on when the call that made it is cancelled."""
    marks, go = scene.queue(), scene.queue()
    linger, caller = functions(scene, work.linger, work.spawn_and_wait)
    ids = scene.queue()
    call = caller.spawn(linger, marks, go, ids)
    inner = modal.FunctionCall.from_id(str(ids.get()))
    here = marks.get()
    call.cancel()
    go.put(True)
    assert inner.get(timeout=60) == here

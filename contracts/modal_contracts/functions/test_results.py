"""What becomes of a call that nobody waits for: its result, and how it is asked for."""

from typing import Any

import modal
import pytest

from modal_contracts.calling import function, functions
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred, live_tested, observed
from modal_contracts.functions import work
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

REFERENCE = documented("sdk/py/latest/modal.FunctionCall")
QUEUES = documented("guide/job-queue")


@clause(
    "functions/a-result-can-be-asked-for-again",
    live_tested("js/test/function_call.test.ts", "FunctionSpawn"),
)
def test_a_result_can_be_asked_for_again(scene: Scene) -> None:
    """A spawned call gives the same result each time, also to who has its id only."""
    call = function(scene, work.double).spawn(21)
    again = modal.FunctionCall.from_id(call.object_id)
    assert [call.get(), call.get(), again.get(), again.get(timeout=0)] == [42] * 4


@clause(
    "functions/not-ready-is-the-builtin-timeout-error",
    inferred("modal/_functions.py", "_Invocation.poll_function"),
)
def test_not_ready_is_the_builtin_timeout_error(scene: Scene) -> None:
    """`get(timeout=...)` raises Python's own TimeoutError, which is none of Modal's."""
    marks, go = scene.queue(), scene.queue()
    call = function(scene, work.linger).spawn(marks, go)
    for timeout in (0, 0.1):
        with pytest.raises(TimeoutError) as caught:
            call.get(timeout=timeout)
        assert not isinstance(caught.value, modal.exception.TimeoutError)
    go.put(True)
    assert call.get(timeout=60) == marks.get()


@clause("functions/an-error-is-raised-by-each-get", REFERENCE)
def test_an_error_is_raised_by_each_get(scene: Scene) -> None:
    """What a spawned function raises is raised by `get`, each time."""
    call = function(scene, work.raises).spawn("nothing here")
    for _ in range(2):
        with pytest.raises(LookupError, match="nothing here"):
            call.get()


@clause("functions/many-calls-are-gathered", REFERENCE)
def test_many_calls_are_gathered(scene: Scene) -> None:
    """`gather` gives the results of several calls in their order, or the first error."""
    double, raises = functions(scene, work.double, work.raises)
    gather: Any = modal.FunctionCall.gather
    assert gather(*(double.spawn(n) for n in range(3))) == [0, 2, 4]
    with pytest.raises(LookupError, match="bad"):
        gather(double.spawn(1), raises.spawn("bad"))


@clause("functions/a-call-knows-its-inputs", REFERENCE, since="1.1.4")
def test_a_call_knows_its_inputs(scene: Scene) -> None:
    """A call of many inputs tells how many, gives each by its index, and all in order."""
    double = function(scene, work.double)
    single: Any = double.spawn(3)
    assert single.num_inputs() == 1
    assert list(single.iter()) == [6]
    assert single.get(index=0) == 6


@clause(
    "functions/an-unknown-call-is-not-found",
    observed("users met the text `No Function Call with ID 'fc-...' found.` for old ids"),
    since="1.1.0",
)
def test_an_unknown_call_is_not_found(scene: Scene) -> None:
    """An id that no call has is refused with its name."""
    unknown = "fc-01K0000000000000000000000A"
    with pytest.raises(
        modal.exception.NotFoundError, match=f"No Function Call with ID '{unknown}' found"
    ):
        modal.FunctionCall.from_id(unknown).get(timeout=1)


@clause("functions/results-are-kept-for-seven-days", QUEUES, needs=[Capability.CLOCK])
def test_results_are_kept_for_seven_days(scene: Scene) -> None:
    """A result can be asked for up to seven days later, and then has expired."""
    call = function(scene, work.double).spawn(21)
    assert call.get() == 42
    scene.advance(days=6, hours=23)
    assert call.get() == 42
    scene.advance(hours=2)
    with pytest.raises(modal.exception.OutputExpiredError):
        call.get(timeout=0)


@clause("functions/a-call-graph-shows-who-called-whom", REFERENCE)
def test_a_call_graph_shows_who_called_whom(scene: Scene) -> None:
    """The graph of a call has its input, and below it those that its function called."""
    caller, double, echo = functions(scene, work.call_others, work.double, work.echo)
    call = caller.spawn([double, echo], 4)
    assert call.get() == [8, 4]
    (top,) = call.get_call_graph()
    assert top.function_name == "call_others"
    assert top.status.name == "SUCCESS"
    assert sorted(child.function_name for child in top.children) == ["double", "echo"]
    assert top.function_call_id == call.object_id
    assert all(child.task_id for child in top.children)


@clause(
    "functions/a-graph-begins-with-who-called-first",
    assumed(
        "the SDK calls it the graph that the call is part of, and draws it from the calls "
        "that have no parent"
    ),
)
def test_a_graph_begins_with_who_called_first(scene: Scene) -> None:
    """The graph of a call that a function made is that of the call which led to it."""
    caller, fail = functions(scene, work.spawns, work.raises)
    call = caller.spawn(fail, "not here")
    inner = modal.FunctionCall.from_id(call.get())
    with pytest.raises(LookupError):
        inner.get()
    (top,) = inner.get_call_graph()
    assert top.function_call_id == call.object_id
    (child,) = top.children
    assert child.function_call_id == inner.object_id
    assert child.status.name == "FAILURE"


@clause(
    "functions/current-ids-are-those-of-the-call",
    documented("sdk/py/latest/modal.current_function_call_id"),
)
def test_current_ids_are_those_of_the_call(scene: Scene) -> None:
    """Inside a function the ids of its input and its call can be read; outside there are none."""
    call = function(scene, work.ids).spawn()
    input_id, call_id = call.get()
    assert call_id == call.object_id
    assert input_id.startswith("in-")
    assert (modal.current_input_id(), modal.current_function_call_id()) == (None, None)

"""How functions are called, one input or many, and what comes back."""

import asyncio
from typing import Any

import modal
import pytest

from modal_contracts.calling import function, functions
from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred
from modal_contracts.functions import work
from modal_contracts.scene import Scene

__all__ = ()

REFERENCE = documented("sdk/py/latest/modal.Function")
SCALE = documented("guide/scale")


@clause("functions/a-call-takes-arguments-and-keywords", REFERENCE)
def test_a_call_takes_arguments_and_keywords(scene: Scene) -> None:
    """A call passes arguments by position and by name, and returns what the function returns."""
    combine = function(scene, work.combine)
    assert combine.remote(1, [2], x={"three": 4}) == ((1, [2]), {"x": {"three": 4}})


@clause("functions/what-is-passed-is-a-copy", inferred("modal/_serialization.py", "serialize"))
def test_what_is_passed_is_a_copy(scene: Scene) -> None:
    """A function gets a copy of its arguments, and its caller a copy of the result."""
    given = [1, 2]
    back = function(scene, work.echo).remote(given)
    assert back == given
    assert back is not given


@clause("functions/a-local-call-stays-here", REFERENCE)
def test_a_local_call_stays_here(scene: Scene) -> None:
    """`local` runs the function where it is called, in no container."""
    container = function(scene, work.container)
    assert container.local() == work.container() == ""
    assert container.remote() != ""


@clause("functions/every-call-has-an-async-form", documented("guide/async"))
def test_every_call_has_an_async_form(scene: Scene) -> None:
    """Calls can be awaited, and results iterated over in async code, by `.aio`."""
    double, later, count = functions(scene, work.double, work.double_async, work.count_up)

    async def main() -> list[Any]:
        call = await double.spawn.aio(4)
        return [
            await double.remote.aio(1),
            await later.remote.aio(2),
            await call.get.aio(),
            [n async for n in double.map.aio([1, 2, 3])],
            [n async for n in later.starmap.aio([(4,), (5,)])],
            [n async for n in count.remote_gen.aio(3)],
            await asyncio.gather(*(double.remote.aio(n) for n in range(4))),
        ]

    expected = [2, 4, 8, [2, 4, 6], [8, 10], [0, 1, 2], [0, 2, 4, 6]]
    assert asyncio.run(main()) == expected


@clause("functions/a-map-keeps-the-order", SCALE)
def test_a_map_keeps_the_order(scene: Scene) -> None:
    """`map` gives results in the order of the inputs, `starmap` unpacks each input."""
    combine = function(scene, work.combine)
    pairs = list(combine.map("ab", "xy", kwargs={"k": 1}))
    assert pairs == [(("a", "x"), {"k": 1}), (("b", "y"), {"k": 1})]
    starred = list(combine.starmap([("a", 1), ("b", 2)], kwargs={"k": 1}))
    assert starred == [(("a", 1), {"k": 1}), (("b", 2), {"k": 1})]


@clause("functions/a-map-may-give-what-is-ready-first", SCALE)
def test_a_map_may_give_what_is_ready_first(scene: Scene) -> None:
    """With `order_outputs=False` a result comes as soon as it is there."""
    queue = scene.queue()
    order = function(scene, work.last_first, max_containers=2)
    results = iter(order.map([0, 1], kwargs={"queue": queue}, order_outputs=False))
    assert next(results) == 1
    queue.put(True)
    assert list(results) == [0]


@clause("functions/a-map-may-give-errors-as-results", SCALE)
def test_a_map_may_give_errors_as_results(scene: Scene) -> None:
    """With `return_exceptions=True` errors are among the results; else the first is raised."""
    picky = function(scene, work.fail_on_odd)
    first, second, third = picky.map([0, 1, 2], return_exceptions=True)
    assert (first, third) == (0, 4)
    assert "1 is odd" in repr(second)  # older releases wrap it in an exception of their own
    with pytest.raises(ValueError, match="1 is odd"):
        list(picky.map([0, 1, 2]))


@clause("functions/a-map-of-nothing-gives-nothing", SCALE)
def test_a_map_of_nothing_gives_nothing(scene: Scene) -> None:
    """`map` over nothing ends at once."""
    assert list(function(scene, work.double).map([])) == []


@clause("functions/a-map-takes-more-than-may-wait", SCALE)
def test_a_map_takes_more_than_may_wait(scene: Scene) -> None:
    """More inputs than a function may have at a time are sent as room is made."""
    body = modal.concurrent(max_inputs=100)(work.double_async)
    double = function(scene, body, max_containers=1)
    assert list(double.map(range(1100))) == [2 * n for n in range(1100)]


@clause("functions/for-each-waits-and-gives-nothing", SCALE)
def test_for_each_waits_and_gives_nothing(scene: Scene) -> None:
    """`for_each` returns when all is done, without results; it can let errors pass."""
    marks = scene.queue()
    mark, picky = functions(scene, work.leave_mark, work.fail_on_odd)
    mark.for_each([marks, marks], ["a", "b"])
    assert sorted(marks.get_many(2)) == ["a", "b"]
    picky.for_each([1, 2], ignore_exceptions=True)
    with pytest.raises(ValueError, match="1 is odd"):
        picky.for_each([1])


@clause("functions/spawn-map-runs-without-being-waited-for", REFERENCE)
def test_spawn_map_runs_without_being_waited_for(scene: Scene) -> None:
    """`spawn_map` gives all inputs to the function and does not wait for results."""
    marks = scene.queue()
    function(scene, work.leave_mark).spawn_map([marks] * 3, ["a", "b", "c"])
    assert sorted(str(marks.get()) for _ in range(3)) == ["a", "b", "c"]


@clause("functions/a-generator-gives-as-it-goes", REFERENCE)
def test_a_generator_gives_as_it_goes(scene: Scene) -> None:
    """`remote_gen` gives what the function yields, before the function has come to its end."""
    go = scene.queue()
    waits = function(scene, work.yields_before)
    values = waits.remote_gen(go)
    assert next(values) == "first"
    go.put(True)
    assert list(values) == ["second"]


@clause("functions/generators-may-be-async-and-call-generators", REFERENCE)
def test_generators_may_be_async_and_call_generators(scene: Scene) -> None:
    """An async function may be a generator, and a generator may give what another one gives."""
    count, relay = functions(scene, work.count_async, work.relay)
    assert list(count.remote_gen(3)) == [0, 1, 2]
    assert list(relay.remote_gen(count, 3)) == [0, 10, 20]


@clause("functions/a-generator-may-fail-in-between", REFERENCE)
def test_a_generator_may_fail_in_between(scene: Scene) -> None:
    """What a generator raises is raised where its values are asked for."""
    go = scene.queue()
    values = function(scene, work.fails_after_one).remote_gen(go)
    assert next(values) == 1
    go.put(True)
    with pytest.raises(LookupError, match="no more"):
        next(values)


@clause(
    "functions/a-kind-of-call-must-fit-the-function",
    inferred("modal/_functions.py", "_Function.remote"),
)
def test_a_kind_of_call_must_fit_the_function(scene: Scene) -> None:
    """A generator is no plain function: neither can be called as the other."""
    double, count = functions(scene, work.double, work.count_up)
    with pytest.raises(modal.exception.InvalidError, match="remote_gen"):
        count.remote(1)
    with pytest.raises(modal.exception.InvalidError, match="remote"):
        list(double.remote_gen(1))
    with pytest.raises(modal.exception.InvalidError, match="spawn"):
        count.spawn(1)


@clause("functions/functions-call-each-other", documented("guide/project-structure"))
def test_functions_call_each_other(scene: Scene) -> None:
    """A function may call functions of its own app and of others from its container."""
    caller, own = functions(scene, work.call_others, work.double)
    other = function(scene, work.echo)
    assert caller.remote([own, other], 7) == [14, 7]

import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import Conflict, Exhausted, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.schedule.calls import RETENTION, Calls, Event, Outcome, State, Status
from modal_emulator.schedule.limits import PoolLimits


@pytest.fixture
def calls() -> Calls:
    return Calls(ManualClock(), Ids(seed=1))


def test_an_input_goes_through_its_life(calls):
    call = calls.open("fu-1", 4)
    new = calls.add_input(call, 0, b"args")
    assert new.state is State.QUEUED and call.unfinished == 1

    calls.take(new, "ta-1")
    assert new.container_id == "ta-1" and new.state is State.RUNNING

    calls.finish(new, Outcome(Status.SUCCESS, b"42"))
    assert call.unfinished == 0
    assert [i.outcome.result for i in calls.outcomes(call, 0, None, None)] == [b"42"]


def test_a_finished_input_cannot_finish_again(calls):
    new = calls.add_input(calls.open("fu-1", 4), 0, b"")
    calls.finish(new, Outcome(Status.TERMINATED, b""))
    with pytest.raises(Conflict, match="finished"):
        new.step(Event.DONE)


def test_a_lost_input_waits_and_is_queued_again(calls):
    new = calls.add_input(calls.open("fu-1", 4), 0, b"")
    calls.take(new, "ta-1")
    calls.lose(new)
    assert (new.state, new.attempt) == (State.WAITING, 1)
    calls.requeue(new)
    assert new.state is State.QUEUED


def test_outcomes_come_in_the_order_of_finishing_after_an_entry(calls):
    call = calls.open("fu-1", 4)
    inputs = [calls.add_input(call, n, b"") for n in range(3)]
    for n in (2, 0, 1):
        calls.take(inputs[n], "ta-1")
        calls.finish(inputs[n], Outcome(Status.SUCCESS, str(n).encode()))

    assert [i.index for i in calls.outcomes(call, 0, None, None)] == [2, 0, 1]
    first = calls.outcomes(call, 0, None, None)[0].entry
    assert [i.index for i in calls.outcomes(call, first, None, None)] == [0, 1]
    assert [i.index for i in calls.outcomes(call, 0, 1, 1)] == [1]


def test_unknown_ids_are_told_as_modal_tells_them(calls):
    with pytest.raises(NotFound, match=r"^No Function Call with ID 'fc-x' found\.$"):
        calls.call("fc-x")
    with pytest.raises(NotFound, match="in-x"):
        calls.input("in-x")


def test_calls_of_a_function_are_listed_newest_first(calls):
    first, second = calls.open("fu-1", 4), calls.open("fu-1", 4)
    calls.open("fu-2", 4)
    assert calls.of_function("fu-1") == (second, first)


def test_results_are_kept_for_seven_days():
    clock = ManualClock()
    calls = Calls(clock, Ids(seed=1))
    call = calls.open("fu-1", 4)
    done = calls.add_input(call, 0, b"")
    calls.take(done, "ta-1")
    calls.finish(done, Outcome(Status.SUCCESS, b"r"))
    clock.set(clock.now() + RETENTION - 1)
    assert calls.outcomes(calls.call(call.call_id), 0, None, None) == [done]
    late = calls.add_input(call, 1, b"")
    clock.set(clock.now() + 1)
    assert not calls.call(call.call_id).expired  # it is at work again
    calls.take(late, "ta-1")
    calls.finish(late, Outcome(Status.SUCCESS, b"r"))
    clock.set(clock.now() + RETENTION)
    assert calls.call(call.call_id).expired
    assert calls.outcomes(call, 0, None, None) == []
    with pytest.raises(NotFound):
        calls.input(done.input_id)


def test_what_a_call_is_given_is_kept_while_somebody_may_begin_it():
    clock = ManualClock()
    calls = Calls(clock, Ids(seed=1))
    call = calls.open("fu-1", 4)
    calls.give(call, [b"a request"])  # before its input, as it comes
    only = calls.add_input(call, 0, b"")
    calls.take(only, "ta-1")
    calls.restart(only)
    calls.take(only, "ta-2")
    calls.give(call, [b"more", b"the end"])
    assert call.given == [b"a request", b"more", b"the end"]
    calls.finish(only, Outcome(Status.SUCCESS, b""))
    calls.give(call, [b"too late"])
    assert call.given == []

    waiting = calls.open("fu-1", 4)
    calls.finish(calls.add_input(waiting, 0, b""), Outcome(Status.SUCCESS, b"r"))
    late = calls.add_input(waiting, 1, b"")
    calls.give(waiting, [b"for the second"])
    assert waiting.given == [b"for the second"]
    calls.finish(late, Outcome(Status.SUCCESS, b"r"))
    clock.set(clock.now() + RETENTION)
    assert calls.call(waiting.call_id).given == []


def test_a_graph_goes_back_to_the_first_call_and_down_again(calls):
    first = calls.open("fu-1", 4)
    top = calls.add_input(first, 0, b"")
    left, right = (calls.open(f"fu-{n}", 4, top.input_id) for n in (2, 3))
    inner = calls.open("fu-4", 4, calls.add_input(right, 0, b"").input_id)
    other = calls.open("fu-1", 4)
    for asked in (first, left, right, inner):
        assert list(calls.graph(asked)) == [first, left, right, inner]
    assert list(calls.graph(other)) == [other]


def test_a_call_whose_caller_is_gone_is_found_and_a_spawned_one_is_not():
    clock = ManualClock()
    calls = Calls(clock, Ids(seed=1))
    waited, spawned = calls.open("fu-1", 4), calls.open("fu-1", 3)
    for call in (waited, spawned):
        calls.attend(call)
        calls.add_input(call, 0, b"")
    clock.set(clock.now() + 100)
    assert calls.deserted(120) == []
    with calls.asking(waited):
        clock.set(clock.now() + 500)
        assert calls.deserted(120) == []
    clock.set(clock.now() + 121)
    assert calls.deserted(120) == [waited]
    calls.finish(waited.inputs[0], Outcome(Status.SUCCESS, b""))
    assert calls.deserted(120) == []


def test_what_waits_is_counted_through_the_life_of_an_input(calls):
    call, kind = calls.open("fu-1", 4), ("fu-1", False)
    only = calls.add_input(call, 0, b"")
    counts = [calls.load.queued[kind]]
    for step in (
        lambda: calls.take(only, "ta-1"),
        lambda: calls.restart(only),
        lambda: calls.take(only, "ta-2"),
        lambda: calls.lose(only),
        lambda: calls.requeue(only),
        lambda: calls.finish(only, Outcome(Status.TERMINATED, b"")),
    ):
        step()
        counts.append(calls.load.queued[kind])
    assert counts == [1, 0, 1, 0, 0, 1, 0]


def test_more_inputs_than_may_wait_are_refused_and_spawned_ones_counted_apart(calls):
    limits = PoolLimits(queued=2, unfinished=3, spawned=1)
    waited, spawned = calls.open("fu-1", 4), calls.open("fu-1", 3)
    first, _ = (calls.add_input(waited, n, b"") for n in range(2))
    with pytest.raises(Exhausted, match="2 inputs queued"):
        calls.load.check(("fu-1", False), limits)
    calls.load.check(("fu-2", False), limits)
    calls.load.check(("fu-1", True), limits)
    calls.add_input(spawned, 0, b"")
    with pytest.raises(Exhausted, match="1 inputs queued"):
        calls.load.check(("fu-1", True), limits)

    calls.take(first, "ta-1")
    calls.load.check(("fu-1", False), limits)
    calls.take(calls.add_input(waited, 2, b""), "ta-1")
    with pytest.raises(Exhausted, match="3 unfinished"):
        calls.load.check(("fu-1", False), limits)


def test_a_passing_call_is_forgotten_but_not_under_a_container():
    calls = Calls(ManualClock(), Ids(seed=1))
    answered, cancelled, waiting = (calls.open_passing("fu-1", 4) for _ in range(3))
    first, second, third = (calls.add_input(c, 0, b"") for c in (answered, cancelled, waiting))
    calls.take(first, "ta-1")
    calls.take(second, "ta-1")
    for call in (answered, cancelled, waiting):
        calls.release(call)
    calls.finish(first, Outcome(Status.SUCCESS, b"", container_id="ta-1"))
    calls.finish(second, Outcome(Status.TERMINATED, b""))
    calls.finish(third, Outcome(Status.TERMINATED, b""))
    assert calls.input(second.input_id) is second  # ta-1 works on it yet
    for gone in (first, third):
        with pytest.raises(NotFound):
            calls.input(gone.input_id)

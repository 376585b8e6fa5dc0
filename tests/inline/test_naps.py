"""Sleeping on the emulator's clock, in containers of threads."""

import time

import modal
import pytest

from modal_emulator.runtime.abroad import Abroad

pytestmark = pytest.mark.modal(runtime="inline")

T = 1_803_866_400  # 2027-03-01 02:00 UTC
HOUR = 3600


@pytest.fixture
def clock(modal_emulator):
    modal_emulator.clock.freeze(T)
    return modal_emulator.clock


def naps(seconds):
    before = time.time()
    time.sleep(seconds)
    return before - T, time.time() - T


async def naps_in_a_task(seconds):
    import asyncio

    before = time.time()
    assert await asyncio.sleep(seconds, "result") == "result"
    return before - T, time.time() - T


@pytest.mark.parametrize("function", [naps, naps_in_a_task])
def test_runs_overlap_as_long_as_they_sleep(clock, function):
    app = modal.App()
    function = app.function(serialized=True, timeout=9000)(function)
    with app.run():
        first = function.spawn(1.5 * HOUR)
        clock.advance(hours=1)
        second = function.spawn(1.5 * HOUR)
        clock.advance(minutes=29)
        assert first.object_id not in done(first, second)
        clock.advance(minutes=1)
        assert done(first, second) == [first.object_id]
        clock.advance(hours=1)
        assert first.get() == (0, 1.5 * HOUR)
        assert second.get() == (HOUR, 2.5 * HOUR)


def done(*calls):
    return [call.object_id for call in calls if has_ended(call)]


def has_ended(call):
    try:
        call.get(timeout=0)
    except TimeoutError:
        return False
    return True


def test_who_waits_for_a_sleeper_does_not_wait_for_the_machine(clock):
    app = modal.App()
    function = app.function(serialized=True, timeout=9000)(naps)
    with app.run():
        assert function.remote(HOUR) == (0, HOUR)
    assert time.time() == T + HOUR


def test_a_sleeper_that_takes_too_long_is_interrupted(clock):
    app = modal.App()
    function = app.function(serialized=True, timeout=60)(naps)
    with app.run(), pytest.raises(modal.exception.FunctionTimeoutError):
        function.remote(HOUR)
    assert T + 60 <= time.time() < T + HOUR


def test_nothing_is_left_of_a_sleep_that_is_interrupted_as_it_begins(
    modal_emulator, clock, monkeypatch
):
    begin = Abroad.begin

    def begins_and_comes_no_further(nap):
        begin(nap)
        while not nap.wait(0.02):
            pass

    monkeypatch.setattr(Abroad, "begin", begins_and_comes_no_further)
    app = modal.App()
    function = app.function(serialized=True, timeout=60)(naps)
    with app.run(), pytest.raises(modal.exception.FunctionTimeoutError):
        function.remote(HOUR)
    assert time.time() < T + HOUR
    assert modal_emulator.ask(lambda world: world.clock.next_due()) != T + HOUR


def test_sleepers_of_one_container_rest_only_when_all_do(clock):
    app = modal.App()

    def counts(steps):
        for _ in range(steps):
            time.sleep(10)
        return time.time() - T

    function = app.function(serialized=True, timeout=9000)(modal.concurrent(max_inputs=3)(counts))
    with app.run():
        calls = [function.spawn(steps) for steps in (1, 2, 30)]
        clock.advance(seconds=300)
        assert [call.get() for call in calls] == [10, 20, 300]


def test_a_sleep_that_began_in_the_machines_time_goes_on_in_the_emulators(modal_emulator):
    app = modal.App()
    function = app.function(serialized=True, timeout=9000)(naps)
    with app.run():
        call = function.spawn(HOUR)
        modal_emulator.container("naps")
        modal_emulator.clock.advance(hours=1)
        call.get()

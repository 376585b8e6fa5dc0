"""What hangs on the emulator's clock, from a test's side: nothing here waits."""

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import modal
import pytest
from modal.exception import FunctionTimeoutError, OutputExpiredError

from modal_emulator.clock import ClockHandle
from modal_emulator.emulator import Running

pytestmark = pytest.mark.modal(runtime="inline")

app = modal.App("time")
volume = modal.Volume.from_name("time-volume", create_if_missing=True)
tries = modal.Dict.from_name("time-tries", create_if_missing=True)


@app.function()
def double(number: int) -> int:
    return number * 2


@app.function(timeout=86_400)
def nap(seconds: float) -> float:
    before = time.time()
    time.sleep(seconds)
    return time.time() - before


@app.function(timeout=600)
def oversleep() -> None:
    time.sleep(3600)


@app.function(retries=modal.Retries(max_retries=3, initial_delay=10.0, backoff_coefficient=2.0))
def flaky() -> float:
    tries["count"] = tries.get("count", 0) + 1
    if tries["count"] < 4:
        raise ValueError("not yet")
    return time.time()


@app.function(volumes={"/data": volume}, timeout=86_400)
def write_and_stay() -> None:
    Path("/data/a.txt").write_text("a")
    time.sleep(3600)


def test_results_expire_after_seven_days(modal_emulator: Running, modal_clock: ClockHandle) -> None:
    with app.run():
        call = double.spawn(2)
        assert call.get() == 4
        modal_clock.advance(days=7, seconds=-1)
        assert call.get() == 4
        modal_clock.advance(seconds=1)
        with pytest.raises(OutputExpiredError):
            call.get(timeout=0)


def test_who_waits_for_a_sleeper_lets_the_clock_go_on(modal_clock: ClockHandle) -> None:
    before = modal_clock.now()
    with app.run():
        assert nap.remote(5400) == 5400
    assert modal_clock.now() - before == timedelta(minutes=90)


@pytest.mark.modal(runtime="process")
def test_so_do_sleepers_in_processes(modal_emulator: Running, modal_clock: ClockHandle) -> None:
    before = modal_clock.now()
    with app.run():
        assert nap.remote(5400) == pytest.approx(5400)
        assert modal_clock.now() - before == timedelta(minutes=90)
        calls = [nap.spawn(5400)]
        modal_clock.advance("1h")
        calls.append(nap.spawn(5400))
        modal_clock.advance("20m")
        assert len(modal_emulator.containers("nap")) == 2  # they overlap
        modal_clock.advance("2h")
        assert [call.get(timeout=0) for call in calls] == pytest.approx([5400, 5400])
        with pytest.raises(FunctionTimeoutError):
            oversleep.remote()


def test_an_impatient_caller_is_told_when_its_time_is_up(modal_clock: ClockHandle) -> None:
    before = modal_clock.now()
    with app.run():
        call = nap.spawn(5400)
        with pytest.raises(TimeoutError):
            call.get(timeout=20)
        assert modal_clock.now() - before == pytest.approx(
            timedelta(seconds=20), abs=timedelta(milliseconds=1)
        )
        modal_clock.advance("2h")
        assert call.get(timeout=0) == 5400


def test_a_function_that_takes_too_long_times_out_on_the_clock(modal_clock: ClockHandle) -> None:
    before = modal_clock.now()
    with app.run(), pytest.raises(FunctionTimeoutError):
        oversleep.remote()
    assert modal_clock.now() - before == timedelta(seconds=600)


def test_attempts_come_when_their_delays_are_over(modal_clock: ClockHandle) -> None:
    modal_clock.freeze(datetime(2024, 2, 29, tzinfo=timezone.utc))
    tries.clear()
    with app.run():
        done = flaky.remote()
    assert done - modal_clock.timestamp() == 0
    assert modal_clock.now() == datetime(2024, 2, 29, 0, 1, 10, tzinfo=timezone.utc)  # 10 + 20 + 40


def test_idle_containers_leave_after_their_window(
    modal_emulator: Running, modal_clock: ClockHandle
) -> None:
    with app.run():
        double.remote(1)
        modal_clock.advance(seconds=59.9)
        assert len(modal_emulator.containers("double")) == 1
        modal_clock.advance(seconds=0.2)
        assert modal_emulator.containers("double") == ()


def test_background_commits_come_on_the_clock(
    modal_emulator: Running, modal_clock: ClockHandle
) -> None:
    with app.run():
        call = write_and_stay.spawn()
        modal_clock.advance(seconds=1)
        assert modal_emulator.volume("time-volume").tree() == {}
        modal_clock.advance(seconds=10)
        assert modal_emulator.volume("time-volume").tree() == {"a.txt": "a"}
        call.cancel()


def test_no_jump_takes_what_a_living_client_holds(modal_clock: ClockHandle) -> None:
    with modal.Volume.ephemeral() as held, modal.Dict.ephemeral() as remembered, app.run():
        remembered["a"] = 1
        modal_clock.advance(days=30)
        assert held.listdir("/") == []
        assert "a" not in remembered  # an entry lives for seven idle days
        remembered["b"] = 2
        assert double.remote(3) == 6

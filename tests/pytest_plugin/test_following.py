"""Tests that freeze the time themselves: the emulator goes with them."""

import pytest

pytestmark = pytest.mark.slow

HEAD = """
import asyncio
import datetime
import time

import modal
import pytest

T = datetime.datetime(2027, 3, 1, 2, tzinfo=datetime.timezone.utc).timestamp()
HOUR = 3600.0


@pytest.fixture
def told(modal_emulator):
    '''What containers and the emulator say that it is now, and what the emulator did when.'''
    return lambda: modal_emulator.virtual_clock.now() - T


@pytest.fixture
def look(modal_emulator):
    app = modal.App("look")

    def look():
        import datetime, time
        return time.time(), datetime.datetime.now(datetime.timezone.utc).timestamp()

    function = app.function(serialized=True)(look)
    with app.run():
        yield lambda: [each - T for each in function.remote()]


@pytest.fixture
def alarm(modal_emulator):
    '''Have the emulator wake at this many hours after T; tells when it did.'''
    woken = []

    def wake(*hours):
        clock = modal_emulator.virtual_clock

        async def sleep(hour):
            await clock.sleep_until(T + hour * HOUR)
            woken.append((clock.now() - T) / HOUR)

        async def begin():
            for hour in hours:
                asyncio.ensure_future(sleep(hour))

        modal_emulator.run(begin())
        return woken

    return wake
"""

FREEZING = """
from datetime import timedelta
from freezegun import freeze_time
from freezegun.api import FakeDatetime


def is_real():
    return abs(time.time() - T) > 1000 and datetime.datetime is not FakeDatetime


def test_a_block(told, look):
    with freeze_time("2027-03-01 02:00:00"):
        assert told() == 0
        assert look() == [0, 0]
        with freeze_time("2027-03-01 05:00:00"):
            assert told() == 3 * HOUR
            assert look() == [3 * HOUR, 3 * HOUR]
        assert told() == 0
    assert is_real() and abs(told()) > 1000


@freeze_time("2027-03-01 02:00:00")
def test_a_decorator_was_there_first(told, look):
    assert told() == 0
    assert look() == [0, 0]


def test_a_fixture_that_comes_first(freezer, told, look):
    freezer.move_to("2027-03-01 02:00:00")
    assert told() == 0
    assert look() == [0, 0]


def test_a_step_forward_is_travelled(told, look, alarm):
    with freeze_time("2027-03-01 02:00:00") as frozen:
        woken = alarm(3, 1, 2, 10)
        frozen.tick(1.5 * HOUR)
        assert woken == [1]
        frozen.tick(timedelta(hours=1))
        assert woken == [1, 2]
        frozen.move_to("2027-03-01 12:00:00")
        assert woken == [1, 2, 3, 10]
        assert told() == 10 * HOUR == time.time() - T
        assert look() == [10 * HOUR, 10 * HOUR]


def test_a_step_back_is_set(told, alarm):
    with freeze_time("2027-03-01 02:00:00") as frozen:
        woken = alarm(1)
        frozen.move_to("2027-03-01 00:00:00")
        assert (told(), woken) == (-2 * HOUR, [])
        assert datetime.datetime.now() == datetime.datetime(2027, 3, 1)


def test_a_clock_that_ticks(told, look, alarm):
    with freeze_time("2027-03-01 02:00:00", tick=True) as frozen:
        woken = alarm(1)
        assert 0 < told() < look()[0] < 1000
        frozen.tick(timedelta(hours=1))
        assert woken and 1 <= woken[0] < 1.1
        assert HOUR <= told() < HOUR + 1000
        assert HOUR <= time.time() - T < HOUR + 1000


def test_each_look_ticks(told, alarm):
    with freeze_time("2027-03-01 02:00:00", auto_tick_seconds=3600):
        woken = alarm(1, 2)
        assert [datetime.datetime.now().hour for _ in range(3)] == [2, 3, 4]
        assert woken == [1, 2]
        assert told() == 3 * HOUR


def test_where_the_emulator_goes_on_by_itself(told):
    queue = modal.Queue.from_name("q", create_if_missing=True)
    with freeze_time("2027-03-01 02:00:00") as frozen:
        with pytest.raises(Exception):
            queue.get(timeout=60)
        assert round(time.time() - T) == 60 == round(told())
        frozen.tick(60)
        assert round(told()) == 120


@freeze_time("2027-03-01 02:00:00")
async def coroutine(told):
    return told()


def test_a_coroutine(told):
    assert asyncio.run(coroutine(told)) == 0


def test_a_container_may_not(modal_emulator):
    app = modal.App()

    @app.function(serialized=True)
    def freeze():
        from freezegun import freeze_time
        with freeze_time("2027-03-01"):
            pass

    with app.run(), pytest.raises(Exception, match="cannot set the time"):
        freeze.remote()
    assert is_real()


def test_nothing_is_left():
    with freeze_time("2027-03-01 02:00:00"):
        assert time.monotonic() < time.monotonic() + 1
    assert is_real()
"""

FIXTURE = """
import freezegun
import pytest


@pytest.fixture
def freezer():
    freezer = freezegun.freeze_time("2020-01-01")
    yield freezer.start()
    freezer.stop()
"""


def test_freezegun(user: pytest.Pytester) -> None:
    user.makeconftest(FIXTURE)
    user.makepyfile(test_it=HEAD + FREEZING)
    result = user.runpytest_subprocess("--modal-runtime", "inline", "--timeout", "60")
    result.assert_outcomes(passed=11)


TRAVELLING = """
import time_machine


def is_real():
    return abs(time.time() - T) > 1000 and not time_machine.escape_hatch.is_travelling()


def test_a_block(told, look):
    with time_machine.travel(T, tick=False):
        assert told() == 0
        assert look() == [0, 0]
        with time_machine.travel(T + HOUR, tick=False):
            assert look() == [HOUR, HOUR]
        assert told() == 0
    assert is_real()


def test_steps(told, look, alarm):
    with time_machine.travel(T, tick=False) as traveller:
        woken = alarm(2, 1, 5)
        traveller.shift(2 * HOUR)
        assert woken == [1, 2]
        traveller.move_to(T + 3 * HOUR)
        assert told() == 3 * HOUR == time.time() - T
        traveller.move_to(T - HOUR)
        assert (told(), woken) == (-HOUR, [1, 2])
        traveller.move_to(T, tick=True)
        assert 0 < told() < look()[0] < HOUR


def test_the_fixture(time_machine, told, look):
    time_machine.move_to(T, tick=False)
    assert look() == [0, 0]


def test_where_the_emulator_goes_on_by_itself(told):
    queue = modal.Queue.from_name("q", create_if_missing=True)
    with time_machine.travel(T, tick=False) as traveller:
        with pytest.raises(Exception):
            queue.get(timeout=60)
        assert round(time.time() - T) == 60 == round(told())
        traveller.shift(60)
        assert round(told()) == 120


def test_nothing_is_left():
    assert is_real()
"""


def test_time_machine(user: pytest.Pytester) -> None:
    user.makepyfile(test_it=HEAD + TRAVELLING)
    result = user.runpytest_subprocess("--modal-runtime", "inline", "--timeout", "60")
    result.assert_outcomes(passed=5)

"""What Python code sees of an instant that is shown to it."""

import asyncio
import datetime
import pickle
import threading
import time
import types
import uuid
from collections.abc import Iterator
from datetime import datetime as imported
from time import time as imported_time

import freezegun
import pytest
import time_machine

from modal_emulator.ground.clock import coarse_ns, machine_time
from modal_emulator.ground.clockface import show

T = 1_803_866_400.25  # 2027-03-01 02:00:00.25 UTC
SHOWN = datetime.datetime(2027, 3, 1, 2, 0, 0, 250_000, tzinfo=datetime.timezone.utc)


class Hand:
    """An instant that a test moves."""

    def __init__(self) -> None:
        self.at: float | None = T

    def __call__(self) -> float | None:
        return self.at


@pytest.fixture
def hand() -> Iterator[Hand]:
    made = Hand()
    end = show(made, ("sdk.",))
    yield made
    end()


def test_every_way_to_ask_for_the_instant_shows_it(hand: Hand) -> None:
    assert (time.time(), imported_time(), time.time_ns()) == (T, T, 1_803_866_400_250_000_000)
    assert datetime.datetime.now(datetime.timezone.utc) == SHOWN
    assert imported.now() == SHOWN.astimezone().replace(tzinfo=None)
    assert datetime.date.today() == SHOWN.astimezone().date()
    assert time.gmtime()[:6] == (2027, 3, 1, 2, 0, 0)
    assert time.localtime() == time.localtime(T)
    assert time.strftime("%Y") == "2027"


def test_it_is_shown_on_all_threads_and_moves_at_once(hand: Hand) -> None:
    seen: list[float] = []
    for at in (T, T + 86400, 5.0):
        hand.at = at
        thread = threading.Thread(target=lambda: seen.append(time.time()))
        thread.start()
        thread.join()
    assert seen == [T, T + 86400, 5.0]


def test_what_is_seen_is_an_ordinary_value(hand: Hand) -> None:
    now = imported.now()
    assert type(now) is datetime.datetime
    assert b"freezegun" not in pickle.dumps(now)
    since_1582 = uuid.uuid1().time / 1e7 - 12_219_292_800
    assert since_1582 == pytest.approx(T, abs=1)


def test_the_machines_clocks_are_left_to_those_who_wait(hand: Hand) -> None:
    before = time.monotonic(), time.perf_counter()
    asyncio.run(asyncio.sleep(0.001))
    assert before < (time.monotonic(), time.perf_counter())
    assert abs(coarse_ns() / 1e9 - machine_time()) < 1000
    assert machine_time() != T


def test_none_and_the_end_show_the_machines(hand: Hand) -> None:
    hand.at = None
    assert abs(time.time() - machine_time()) < 1000
    hand.at = T
    assert time.time() == T
    end = show(lambda: 7.0)
    assert time.time() == T, "who came first is on top"
    end()
    assert time.time() == T


def test_at_the_end_nothing_is_left() -> None:
    end = show(lambda: 7.0)
    end()
    assert time.time() == pytest.approx(machine_time(), abs=1000)
    assert uuid.uuid1().time / 1e7 - 12_219_292_800 == pytest.approx(machine_time(), abs=1000)
    assert time_machine.escape_hatch.is_travelling() is False


def test_for_some_modules_time_creeps_on_while_it_stands(hand: Hand) -> None:
    sdk = types.ModuleType("sdk.queue")
    exec("import time\ndef look(): return time.time()", sdk.__dict__)
    first, second = sdk.look(), sdk.look()
    assert T < first < second < T + 1
    assert time.time() == T
    with freezegun.freeze_time("2020-01-01", ignore=["sdk."]):
        assert second < sdk.look() < T + 1


def test_a_freezer_that_was_there_before_is_no_obstacle() -> None:
    with freezegun.freeze_time("2020-01-01"):
        end = show(lambda: T)
        assert imported.now().year == datetime.datetime.now().year == 2020
    assert time.time() == T
    end()
    assert time.time() == pytest.approx(machine_time(), abs=1000)


def test_a_tests_own_traveller_lies_on_top() -> None:
    with time_machine.travel(9.0, tick=False):
        end = show(lambda: T)
        assert time.time() == 9.0
        with time_machine.travel(10.0, tick=False):
            assert time.time() == 10.0
        assert time.time() == 9.0
    assert time.time() == T
    end()
    assert time.time() == pytest.approx(machine_time(), abs=1000)

import asyncio

import pytest

from fakes import ManualClock
from modal_emulator.schedule.logs import LogFilter, Logs

ALL = LogFilter()


@pytest.fixture
def logs() -> Logs:
    return Logs(ManualClock(100.0))


def test_lines_come_in_order_after_an_entry(logs):
    logs.add("ap-1", "one\n", 1)
    logs.add("ap-2", "other app\n", 1)
    logs.add("ap-1", "two\n", 2)
    lines = list(logs.read("ap-1", 0, ALL))
    assert [line.text for line in lines] == ["one\n", "two\n"]
    assert [line.text for line in logs.read("ap-1", lines[0].entry, ALL)] == ["two\n"]
    assert logs.last_entry() == lines[-1].entry


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (LogFilter(function_id="fu-1"), 1),
        (LogFilter(function_id="fu-2"), 0),
        (LogFilter(container_id="ta-1", descriptor=1), 1),
        (LogFilter(descriptor=2), 0),
        (LogFilter(call_id="fc-1", input_id="in-1"), 1),
        (LogFilter(text="ell"), 1),
        (LogFilter(text="x"), 0),
        (LogFilter(since=100.0, until=101.0), 1),
        (LogFilter(until=100.0), 0),
    ],
)
def test_a_filter_wants_what_matches_all_it_says(logs, wanted, count):
    ids = {"container_id": "ta-1", "function_id": "fu-1", "input_id": "in-1", "call_id": "fc-1"}
    logs.add("ap-1", "hello\n", 1, **ids)
    assert len(list(logs.read("ap-1", 0, wanted))) == count


def test_a_reader_wakes_for_a_line_and_for_the_end(logs):
    async def body() -> None:
        waiting = asyncio.ensure_future(logs.wait("ap-1", 5))
        await asyncio.sleep(0)
        logs.add("ap-1", "x")
        assert await waiting
        waiting = asyncio.ensure_future(logs.wait("ap-1", 5))
        await asyncio.sleep(0)
        logs.close("ap-1")
        assert await waiting and logs.closed("ap-1")
        assert not await logs.wait("ap-1", 0.001)
        logs.open("ap-1")
        assert not logs.closed("ap-1")

    asyncio.run(body())


def test_a_listener_hears_every_app_until_it_ends(logs):
    heard: list[str] = []
    end = logs.listen(lambda line: heard.append(line.text))
    logs.add("ap-1", "a")
    logs.add("ap-2", "b")
    end()
    logs.add("ap-1", "c")
    assert heard == ["a", "b"]


def test_a_line_is_not_missed_that_comes_before_anybody_gets_a_turn(logs):
    async def body() -> None:
        line = logs.next("ap-1")
        logs.add("ap-1", "a", 1)
        assert await line

    asyncio.run(body())


def test_what_is_diverted_is_heard_by_nobody_else(logs: Logs) -> None:
    heard: list[str] = []
    told: list[str] = []
    logs.listen(lambda line: told.append(line.text))
    with logs.diverted("fu-1", heard.append):
        logs.add("ap-1", "of the build", function_id="fu-1")
        logs.add("ap-1", "of the app", function_id="fu-2")
    logs.add("ap-1", "later", function_id="fu-1")
    assert heard == ["of the build"]
    assert told == ["of the app", "later"]
    assert [line.text for line in logs.read("ap-1", 0, LogFilter())] == told

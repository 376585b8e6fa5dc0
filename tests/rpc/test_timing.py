"""The clock and the schedules as the service beside Modal's answers for them."""

from datetime import datetime, timedelta, timezone

import pytest
from modal_proto import api_pb2

import clockwork
from modal_emulator.ground.clock import machine_time
from modal_emulator.ground.errors import Code, EmulatorError
from modal_emulator.rpc.remote import Remote

pytestmark = [
    pytest.mark.slow,
    pytest.mark.modal(clock="2024-01-31T00:00:00Z", background_commit_seconds=0),
]


@pytest.fixture
def remote(modal_emulator):
    return Remote(modal_emulator.environment)


def test_the_clock_is_shown_set_and_moved(remote):
    midnight = {"now": "2024-01-31T00:00:00Z", "timestamp": 1706659200.0}
    assert remote.ask("ClockShow") == {**midnight, "mode": "frozen", "rate": 0}
    noon = remote.wait("ClockAdvance", seconds=12 * 3600)
    assert (noon["now"], noon["fired"]) == ("2024-01-31T12:00:00Z", [])
    assert remote.wait("ClockMoveTo", at=1706702401)["now"] == "2024-01-31T12:00:01Z"
    assert remote.ask("ClockSet", at=0.5, rate=0)["now"] == "1970-01-01T00:00:00.500000Z"
    assert remote.ask("ClockSet", at=None, rate=60)["mode"] == "accelerated"
    assert remote.ask("ClockResume")["mode"] == "real"


def test_schedules_are_told_and_run(remote):
    clockwork.app.deploy()
    (nightly, _) = remote.ask("CronList")["schedules"]
    assert (nightly["function"], nightly["next"]) == ("nightly", "2024-01-31T02:00:00Z")
    coming = remote.ask("CronNext", count=3)["schedules"]
    assert [each["next"][11:16] for each in coming] == ["02:00", "12:00", "00:00"]
    (run,) = remote.wait("ClockRunNext")["fired"]
    assert (run["due"], run["status"]) == ("2024-01-31T02:00:00Z", "success")
    (by_hand,) = remote.wait("CronRunNow", name="twice")["runs"]
    assert (by_hand["cause"], by_hand["status"]) == ("by hand", "success")
    assert remote.ask("CronHistory")["runs"] == [run, by_hand]
    assert remote.ask("CronHistory", name="nightly")["runs"] == [run]
    assert remote.ask("CronHistory", newest=1)["runs"] == [by_hand]
    assert remote.ask("CronHistory", newest=0)["runs"] == []
    assert remote.ask("CronPause")["schedules"][0]["paused"]
    assert not remote.ask("CronResume", name="twice")["schedules"][0]["paused"]


@pytest.mark.parametrize(
    ("method", "asked", "told"),
    [
        ("ClockAdvance", {}, "seconds must be a number, not None"),
        ("ClockAdvance", {"seconds": "1h"}, "seconds must be a number, not '1h'"),
        ("ClockAdvance", {"seconds": True}, "seconds must be a number, not True"),
        ("ClockAdvance", {"seconds": -1}, "time goes forward"),
        ("ClockAdvance", {"seconds": 1e12}, "beyond the year 9999"),
        ("ClockMoveTo", {"at": 0}, "it is 2024-01-31T00:00:00Z, and 1970-01-01"),
        ("ClockSet", {"at": -1, "rate": 0}, "no instant between"),
        ("ClockSet", {"rate": -1}, "no rate"),
        ("CronNext", {"count": -1}, "count must be 0 or more"),
    ],
)
def test_what_makes_no_sense_is_told(remote, method, asked, told):
    with pytest.raises(EmulatorError) as caught:
        remote.ask(method, **asked)
    assert told in caught.value.message


def test_what_cannot_be_is_told(remote):
    for method, asked, code in (
        ("ClockRunNext", {}, Code.FAILED_PRECONDITION),
        ("CronPause", {"name": "x"}, Code.NOT_FOUND),
        ("CronRunNow", {"name": "x"}, Code.NOT_FOUND),
    ):
        with pytest.raises(EmulatorError) as caught:
            remote.ask(method, **asked)
        assert caught.value.code is code


@pytest.mark.skipif(not hasattr(api_pb2, "AppFetchLogsRequest"), reason="an SDK without it")
@pytest.mark.parametrize("year", [2024, 2124])
def test_logs_are_found_by_clients_in_the_present(modal_emulator, rpc, year):
    clock = modal_emulator.clock
    clock.freeze(f"{year}-01-31T00:00Z")
    clockwork.app.deploy()
    clock.advance(hours=3)
    here = datetime.fromtimestamp(machine_time(), timezone.utc)

    def found(since, until):
        request = api_pb2.AppFetchLogsRequest(app_id=clockwork.app.app_id, limit=10)
        request.since.FromDatetime(since)
        request.until.FromDatetime(until)
        return "".join(
            item.data for batch in rpc("AppFetchLogs", request).batches for item in batch.items
        )

    there = datetime(year, 1, 31, 2, tzinfo=timezone.utc)
    hour = timedelta(hours=1)
    assert "nightly" in found(here - 2 * hour, here)
    assert "nightly" in found(there, here)
    assert "nightly" in found(there, there + hour)
    assert found(there + hour, there + 2 * hour) == ""
    if year == 2024:
        assert found(here - hour / 2, here) == ""

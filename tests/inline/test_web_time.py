"""Web functions while a test owns the clock."""

from contextlib import ExitStack

import pytest

import webkinds
from modal_emulator.emulator import Running
from modal_emulator.inline.breaking import sleep_in_pieces
from webcalls import http, websocket

pytestmark = [pytest.mark.slow, pytest.mark.modal(clock="2024-01-31T12:00:00Z")]


@pytest.fixture
def modal_emulator_settings() -> dict[str, str]:
    return {"runtime": "inline"}


@pytest.fixture(autouse=True)
def app(modal_emulator: Running):
    with webkinds.app.run():
        yield


NOON = 1706702400.0


def test_time_passes_for_who_sleeps_or_waits_for_a_client(modal_emulator: Running) -> None:
    socket = websocket(modal_emulator, webkinds.asgi.object_id)
    assert socket.next()["type"] == "websocket.accept"
    tasks = http(modal_emulator, webkinds.asgi.object_id, "/nap")
    thread = http(modal_emulator, webkinds.nap.object_id, query=b"seconds=25")
    modal_emulator.clock.advance(29)
    assert thread.answer().text == "25.0" and not tasks.call.produced
    modal_emulator.clock.advance(1)
    assert float(tasks.answer().text) == NOON + 30
    socket.give({"type": "websocket.receive", "text": "late"})
    assert socket.next()["text"] == "LATE"
    assert modal_emulator.clock.timestamp() == NOON + 30


@pytest.mark.parametrize(
    "modal_emulator", [{"runtime": "process"}, {}], ids=["process", "inline"], indirect=True
)
def test_a_web_server_begins_in_the_machines_time(modal_emulator: Running) -> None:
    with ExitStack() as back:  # another emulator in this process has replaced `time.sleep`, too
        back.callback(sleep_in_pieces())
        assert http(modal_emulator, webkinds.slow.object_id).answer().status == 200
    assert modal_emulator.clock.timestamp() == NOON

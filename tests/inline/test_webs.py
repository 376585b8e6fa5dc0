"""Web functions of every kind, in containers of threads and of processes."""

import json
import threading
from typing import Any

import pytest

import webkinds
from helpers import eventually
from modal_emulator.emulator import Running
from modal_emulator.schedule.calls import Outcome, Status
from webcalls import http, websocket

pytestmark = [pytest.mark.slow]


@pytest.fixture(params=["process", "inline"])
def modal_emulator_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"runtime": request.param}


@pytest.fixture(autouse=True)
def app(modal_emulator: Running):
    webkinds.heard.clear()
    with webkinds.app.run():
        yield


def test_an_asgi_app_answers(modal_emulator: Running) -> None:
    answer = http(modal_emulator, webkinds.asgi.object_id, "/x").answer()
    assert (answer.status, answer.text, answer.headers["x-kind"]) == (404, "began /x", "asgi")
    here, there = json.loads(http(modal_emulator, webkinds.asgi.object_id, "/facts").answer().body)
    assert here["word"] == there["word"] == "swordfish" and here["shelf"] == there["shelf"] == []
    assert here["input"] == there["input"] and here["input"].startswith("in-")
    assert here["task"] == there["task"] and here["local"] is there["local"] is False
    assert here["thread"] not in (there["thread"], threading.get_ident())


def test_large_bodies(modal_emulator: Running) -> None:
    request = http(modal_emulator, webkinds.asgi.object_id, "/length", method="PUT", body=None)
    piece = bytes(1 << 20)
    for _ in range(40):
        request.give({"type": "http.request", "body": piece, "more_body": True})
    request.give({"type": "http.request", "body": b"end", "more_body": False})
    assert request.answer().text == str((40 << 20) + 3)
    large = http(modal_emulator, webkinds.asgi.object_id, "/large", query=b"20000000").answer()
    assert large.body == bytes(20_000_000)


def test_wsgi(modal_emulator: Running) -> None:
    answer = http(modal_emulator, webkinds.wsgi.object_id, method="POST", body=b"hello").answer()
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert answer.text.startswith('["POST", "hello"]')
    said = json.loads(answer.text.removeprefix('["POST", "hello"]'))
    assert said["word"] == "swordfish" and said["shelf"] == []


def test_fastapi_endpoint(modal_emulator: Running) -> None:
    function_id = webkinds.endpoint.object_id
    asked = http(modal_emulator, function_id, method="POST", query=b"name=ann&times=2").answer()
    said = json.loads(asked.body)
    assert asked.status == 200 and said["said"] == "annann"
    assert said["word"] == "swordfish" and said["shelf"] == [] and said["input"].startswith("in-")
    assert http(modal_emulator, function_id, query=b"name=ann").answer().status == 405
    assert http(modal_emulator, function_id, method="POST").answer().status == 422
    assert "Say a name." in http(modal_emulator, function_id, "/openapi.json").answer().text


def test_web_server(modal_emulator: Running) -> None:
    answer = http(modal_emulator, webkinds.server.object_id, "/a", query=b"b=c").answer()
    path, client, task = answer.text.split()
    assert (answer.status, path, client) == (200, "/a?b=c", "127.0.0.1") and task.startswith("ta-")


def test_a_web_server_that_never_opens_its_port(modal_emulator: Running) -> None:
    result = http(modal_emulator, webkinds.late.object_id).outcome()
    assert "Waited too long for port 8472 to start accepting connections." in result.exception


def test_a_websocket(modal_emulator: Running) -> None:
    socket = websocket(modal_emulator, webkinds.asgi.object_id)
    assert socket.next()["type"] == "websocket.accept"
    for word in ("ann", "ben"):
        socket.give({"type": "websocket.receive", "text": word})
        assert socket.next()["text"] == word.upper()
    socket.give({"type": "websocket.disconnect", "code": 1000})
    assert socket.next() is None and socket.outcome().status == 1


def test_a_client_goes_away(modal_emulator: Running) -> None:
    request = http(modal_emulator, webkinds.asgi.object_id, "/wait")
    assert request.next()["status"] == 200 and request.next()["body"] == b"waiting"
    request.give({"type": "http.disconnect"})
    assert request.next() is None and request.outcome().status == 1


def test_a_request_is_cancelled(modal_emulator: Running) -> None:
    request = http(modal_emulator, webkinds.asgi.object_id, "/wait")
    assert request.next()["status"] == 200 and request.next()["body"] == b"waiting"
    container = modal_emulator.container("asgi").container_id
    terminated = Outcome(Status.TERMINATED, b"")
    modal_emulator.ask(lambda world: world.dispatcher.cancel(request.call, terminated))
    assert request.next() is None
    assert http(modal_emulator, webkinds.asgi.object_id, "/x").answer().status == 404
    assert modal_emulator.container("asgi").container_id == container
    if webkinds.heard:  # in this process
        # What has answered since may have been another container.
        assert eventually(lambda: "cancelled" in webkinds.heard)


def test_an_app_fails(modal_emulator: Running) -> None:
    request = http(modal_emulator, webkinds.asgi.object_id, "/fail")
    assert request.next() is None and request.outcome().exception == "LookupError('no such page')"


def test_requests_at_once_in_one_container(modal_emulator: Running) -> None:
    requests = [http(modal_emulator, webkinds.together.object_id) for _ in range(3)]
    assert len({request.answer().text for request in requests}) == 1


def test_a_class_with_web_methods(modal_emulator: Running) -> None:
    function_id = shop().object_id
    assert json.loads(http(modal_emulator, function_id, "/goods", of="web").answer().body) == [
        "corner",
        "tea",
    ]
    price = http(modal_emulator, function_id, query=b"of=tea", of="price").answer()
    assert json.loads(price.body) == "tea at corner: 3"
    assert len(modal_emulator.containers("Shop")) == 1
    assert webkinds.Shop().count.remote() == 1


def test_an_app_starts_after_enter_and_shuts_down_before_exit(modal_emulator: Running) -> None:
    http(modal_emulator, shop().object_id, "/goods", of="web").answer()
    modal_emulator.container("Shop").stop()
    modal_emulator.settle()
    said = b"".join(webkinds.shelf.read_file("closed.txt"))
    assert said == b"enter startup shutdown exit"


def shop() -> Any:
    from modal._utils.async_utils import synchronizer

    return synchronizer._translate_in(webkinds.Shop)._class_service_function

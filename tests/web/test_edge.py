"""Requests to web functions in containers of processes, as an ordinary HTTP client sees them."""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import modal
import pytest
from packaging.version import Version

import webshop
from modal_emulator.emulator import Running

pytestmark = [pytest.mark.slow, pytest.mark.modal(runtime="process")]

# The SDK sends answers of more than 40 MiB as blobs; the oldest cannot with a newer aiohttp, which
# writes past the place where it takes the digest.
BLOB = (41 if Version(modal.__version__) >= Version("1.1") else 39) << 20


@pytest.fixture
def door(modal_emulator: Running) -> Iterator[http.client.HTTPConnection]:
    with webshop.app.run():
        url = webshop.front.get_web_url()
        assert url is not None
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        yield connection
        connection.close()


def ask(
    door: http.client.HTTPConnection,
    path: str,
    method: str = "GET",
    body: object = None,
    **headers: str,
) -> tuple[int, bytes]:
    door.request(method, path, body, headers)  # type: ignore[arg-type]
    answer = door.getresponse()
    return answer.status, answer.read()


def test_the_app_sees_the_request(door):
    door.putrequest("POST", "/scope%20of?a=%20b&c", skip_accept_encoding=True)
    door.putheader("X-Twice", "1")
    door.putheader("X-Twice", "2")
    door.putheader("Content-Length", "4")
    door.endheaders(b"body")
    answer = door.getresponse()
    scope = json.loads(answer.read())
    host, port = door.sock.getsockname()
    assert scope["path"] == "/scope of" and scope["query_string"] == "a=%20b&c"
    assert [pair for pair in scope["headers"] if pair[0] == "x-twice"] == [
        ["x-twice", "1"],
        ["x-twice", "2"],
    ]
    assert scope["client"] == [host, port]
    assert (scope["type"], scope["method"], scope["scheme"]) == ("http", "POST", "http")
    assert (scope["http_version"], scope["body"]) == ("1.1", "body")
    # Nobody says what the app did not say.
    assert {name.lower() for name, _ in answer.getheaders()} == {"content-length", "date"}


def test_bodies_of_any_size_come_in_and_go_out(door):
    size = 9 << 20
    assert ask(door, "/length", "POST", b"x" * size) == (200, str(size).encode())
    pieces = (b"y" * 1000 for _ in range(100))
    assert ask(door, "/length", "PUT", pieces) == (200, b"100000")
    for size in (0, 3 << 20, BLOB):
        assert ask(door, f"/large?{size}") == (200, b"x" * size)


def test_an_answer_goes_out_while_the_request_comes_in(door):
    door.putrequest("POST", "/pieces")
    door.putheader("Transfer-Encoding", "chunked")
    door.endheaders()
    door.send(b"1\r\n1\r\n")
    answer = http.client.HTTPResponse(door.sock)
    answer.begin()
    assert answer.status == 201 and answer.headers.get_all("X-A") == ["1", "1"]
    assert answer.read(1) == b"1"
    door.send(b"1\r\n2\r\n")
    assert answer.read(1) == b"2"
    door.send(b"0\r\n\r\n")
    assert answer.read() == b"end"


def test_answers_without_a_body(door):
    door.request("GET", "/cookies")
    answer = door.getresponse()
    assert answer.status == 204 and answer.read() == b""
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    door.request("HEAD", "/large?5")
    answer = door.getresponse()
    assert answer.status == 200 and answer.read() == b""
    assert ask(door, "/large?1") == (200, b"x")  # the connection is still good


def test_an_app_that_fails_is_answered_for(door):
    status, text = ask(door, "/crash")
    assert status == 500 and text.startswith(b"modal-http: internal error: ")
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(door, "/crash-later")
    assert caught.value.partial == b"half"
    door.close()
    text = b"modal-http: internal error: function was terminated by signal"
    assert ask(door, "/die") == (500, text)


def test_an_app_hears_that_its_client_is_gone(door, modal_emulator):
    door.request("GET", "/until-gone")
    answer = door.getresponse()
    assert answer.read(4) == b"here"
    answer.close()
    door.close()
    modal_emulator.container("front").wait_for_output("the client is gone")


def test_an_address_without_an_app_answers_404(modal_emulator):
    with webshop.app.run():
        url = webshop.front.get_web_url()
        assert url is not None
    door = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    door.request("GET", "/")
    answer = door.getresponse()
    assert (answer.status, answer.read()) == (404, b"modal-http: invalid function call")
    assert "Server" not in answer.headers
    door.close()

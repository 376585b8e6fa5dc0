"""Web functions by the names that they have on Modal, who may pass, and how often."""

import http.client
import ssl
import subprocess
import sys
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

import webshop
from modal_emulator.emulator import Running
from modal_emulator.ground.errors import NotFound

pytestmark = [pytest.mark.slow, pytest.mark.modal(runtime="inline")]

NAME = "emulator--webshop-front-dev.modal.run"


def ask(url: str, path: str = "/large?2", **headers: str) -> tuple[int, bytes]:
    door = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    door.request("GET", path, headers=headers)
    answer = door.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        door.close()


@pytest.mark.modal(addresses="modal")
def test_names_lead_here_in_a_test_over_tls_and_plainly(modal_emulator: Running) -> None:
    with webshop.app.run():
        assert webshop.front.get_web_url() == f"https://{NAME}"
        trust = ssl.create_default_context(cafile=modal_emulator.ca_file)
        with urlopen(f"https://{NAME}/large?2", context=trust, timeout=60) as answer:
            assert answer.read() == b"xx"
        with urlopen(f"http://{NAME}/large?3", timeout=60) as answer:
            assert answer.read() == b"xxx"
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urlopen(f"https://{NAME}/", timeout=60)
        port = modal_emulator.web.lead(NAME)
        unknown = (404, b"modal-http: invalid function call")
        assert ask(f"http://127.0.0.1:{port}") == unknown
        # A client that says nothing keeps nobody from being answered.
        silent = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        silent.connect()
        assert ask(f"http://127.0.0.1:{port}", Host=NAME) == (200, b"xx")
        silent.close()


def test_other_peoples_names_are_not_answered(modal_emulator: Running) -> None:
    with webshop.app.run():
        url = modal_emulator.web.url("front")
        for host in ("localhost:1", "127.0.0.1", "[::1]:80", "x.localhost", "box:8", NAME):
            assert ask(url, Host=host) == (200, b"xx"), host
        for host in ("evil.example", "modal.run", "127.0.0.1.evil.example"):
            assert ask(url, Host=host)[0] == 421, host


def test_a_proxy_token_lets_a_client_pass(modal_emulator: Running) -> None:
    with webshop.app.run():
        url = modal_emulator.web.url("guarded", app="webshop")
        missing = (401, b"modal-http: missing credentials for proxy authorization")
        assert ask(url) == missing
        assert ask(url, Authorization="Bearer of-the.app") == missing
        headers = modal_emulator.web.token("ci")
        assert ask(url, **headers) == (200, b"xx")
        key, secret = headers.values()
        assert ask(url, Authorization=f"Bearer {key}.{secret}") == (200, b"xx")
        assert ask(url, **{"Modal-Key": key, "Modal-Secret": "ws-other"})[0] == 401
        # An app has no business with what was for the edge.
        _, seen = ask(url, "/scope%20of", **headers)
        assert secret.encode() not in seen and key.encode() not in seen
        _, seen = ask(url, "/scope%20of", Authorization=f"Bearer {key}.{secret}")
        assert secret.encode() not in seen


def test_a_request_gives_the_parameters_of_a_class(modal_emulator: Running) -> None:
    with webshop.app.run():
        url = modal_emulator.web.url("Desk.greet")
        assert webshop.Desk().greet.get_web_url() == url
        assert ask(url, "/") == (200, b"nobody at 1")
        assert ask(url, "/?number=7&who=ann&x=y") == (200, b"ann at 7")
        assert ask(url, "/?who=ann&number=7") == (200, b"ann at 7")
        assert len(modal_emulator.containers("Desk")) == 2
        said = b"modal-http: parameter 'number' cannot be 'x'"
        assert ask(url, "/?number=x") == (400, said)


@pytest.mark.modal(web_requests_per_second=2, clock="2026-01-01")
def test_too_many_requests_are_refused(modal_emulator: Running) -> None:
    with webshop.app.run():
        url = modal_emulator.web.url("front")
        assert [ask(url)[0] for _ in range(4)] == [200, 200, 429, 429]
        modal_emulator.clock.advance(seconds=1)
        assert [ask(url)[0] for _ in range(3)] == [200, 200, 429]


def test_the_hand_on_addresses_finds_one_or_says_why(modal_emulator: Running) -> None:
    with webshop.app.run():
        records = {record.function: record for record in modal_emulator.web.list()}
        front = records["front"]
        assert modal_emulator.web.lead(NAME) == 0  # nor does it lead to Modal
        assert (front.app, front.modal_url) == ("webshop", f"https://{NAME}")
        assert front.loopback_url == webshop.front.get_web_url()
        assert modal_emulator.web.url(front.label) == front.loopback_url
        with pytest.raises(NotFound, match="no web function is called 'back'"):
            modal_emulator.web.url("back")


def test_the_command_lists_them_and_makes_tokens(modal_emulator: Running) -> None:
    def command(*words: str) -> str:
        line = [sys.executable, "-m", "modal_emulator", "web", *words]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    assert command("list") == "No web function is answered.\n"
    with webshop.app.run():
        url = modal_emulator.web.url("guarded")
        listed = command("list")
        said = "webshop/guarded in main  (asks for a proxy token)\n"
        assert said + f"    {url}\n    https://emulator--webshop-guarded-dev.modal.run\n" in listed
        made = dict(line.split(": ") for line in command("token", "create").split("\n")[:2])
        assert ask(url, **made) == (200, b"xx")
        assert made["Modal-Key"] in command("token", "list")
        assert made["Modal-Secret"] not in command("token", "list", "--json")
        command("token", "delete", made["Modal-Key"])
        assert ask(url, **made)[0] == 401

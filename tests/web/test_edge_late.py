"""Answers that take longer than a request may: they are waited for at another URL."""

import http.client
from urllib.parse import urlsplit

import pytest

import webshop

pytestmark = [pytest.mark.slow, pytest.mark.modal(runtime="inline", clock="2026-01-01T00:00")]


def ask(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes, str]:
    """Ask once, following nothing."""
    parts = urlsplit(url)
    door = http.client.HTTPConnection(parts.netloc, timeout=60)
    door.request(method, f"{parts.path}?{parts.query}", body)
    answer = door.getresponse()
    try:
        return answer.status, answer.read(), answer.getheader("Location", "")
    finally:
        door.close()


def test_a_late_answer_is_waited_for_again(modal_emulator, modal_clock):
    with webshop.app.run():
        began = modal_clock.timestamp()
        url = webshop.front.get_web_url()
        # Nobody moves the clock: it goes on because somebody waits.
        status, body, there = ask(f"{url}/wait?400", "POST", b"ignored")
        assert (status, body) == (303, b"") and modal_clock.timestamp() == began + 150
        assert there.startswith(f"{url}/wait?400&__modal_function_call_id=fc-")
        assert ask(there, "POST")[:2] == (400, b"modal-http: bad redirect method")
        assert ask(there) == (303, b"", there) and modal_clock.timestamp() == began + 300
        assert ask(there)[:2] == (200, b"at last") and modal_clock.timestamp() == began + 400
        # Once it was fetched it is nowhere.
        assert ask(there)[:2] == (404, b"modal-http: invalid function call")


def test_the_timeout_of_the_function_ends_a_request(modal_emulator, modal_clock):
    with webshop.app.run():
        url = webshop.front.get_web_url()
        status, _, there = ask(f"{url}/wait?1000")
        assert status == 303 and ask(there)[0] == 303
        text = b"modal-http: internal error: function execution timed out"
        assert ask(there)[:2] == (500, text)

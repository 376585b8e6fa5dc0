"""What reaches an ASGI app of a request, and what of its answer reaches the client."""

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred, observed
from modal_contracts.web import pages
from modal_contracts.web.asking import ask, asking
from modal_contracts.web.shared import Web, image

__all__ = ()

GUIDE = documented("guide/webhooks")
WRAPPER = inferred("modal/_runtime/asgi.py", "asgi_app_wrapper")


@clause("web/an-app-gets-the-request", GUIDE)
def test_an_app_gets_the_request(web: Web) -> None:
    """Method, path, query, headers and body arrive as the client sent them."""
    said = ask(
        web.site.get_web_url(),
        "/echo?a=1&a=%20b",
        method="PUT",
        body=b"a body",
        headers={"X-Clause": "some words", "Content-Type": "text/clause"},
    ).json
    assert (said["method"], said["path"], said["query"]) == ("PUT", "/echo", "a=1&a=%20b")
    assert said["body"] == "a body"
    assert said["headers"]["x-clause"] == "some words"
    assert said["headers"]["content-type"] == "text/clause"


@clause("web/the-client-gets-the-answer", GUIDE)
def test_the_client_gets_the_answer(web: Web) -> None:
    """Status, headers, of which there may be several of one name, and body are the app's."""
    answer = ask(web.site.get_web_url(), "/teapot")
    assert (answer.status, answer.text) == (418, "short and stout")
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-clause"] == "tea"


@clause("web/a-body-may-be-large", documented("guide/webhooks"))
def test_a_body_may_be_large(web: Web) -> None:
    """Bodies of many MiB go through whole, both ways."""
    size = 9 << 20
    assert ask(web.site.get_web_url(), "/length", method="POST", body=bytes(size)).text == str(size)
    answer = ask(web.site.get_web_url(), f"/large?{size}")
    assert (len(answer.body), answer.body.strip(b"x")) == (size, b"")


@clause("web/an-answer-may-come-in-pieces", documented("guide/streaming-endpoints"))
def test_an_answer_may_come_in_pieces(web: Web) -> None:
    """The client has a piece of the answer while the app still works on the next."""
    with asking(web.site.get_web_url(), "/slowly") as response:
        assert response.read(5) == b"first"
        web.go.put("on")
        assert response.read() == b"last"


@clause("web/who-goes-away-is-missed", WRAPPER)
def test_who_goes_away_is_missed(web: Web) -> None:
    """An app that listens is told when the client closes the connection."""
    with asking(web.site.get_web_url(), "/linger") as response:
        assert response.read(5) == b"first"
    assert web.marks.get(timeout=30) == "gone"


@clause(
    "web/an-app-that-fails-is-a-500",
    observed("users see `500 Internal Server Error` where their app raised before it answered"),
)
def test_an_app_that_fails_is_a_500(web: Web) -> None:
    """When the app raises before it answers, the client gets a 500, and the container goes on."""
    assert ask(web.site.get_web_url(), "/fail").status == 500
    assert ask(web.site.get_web_url(), "/teapot").status == 418


@clause("web/requests-share-a-container", documented("guide/concurrent-inputs"))
def test_requests_share_a_container(web: Web) -> None:
    """With input concurrency an app answers several requests at the same time."""
    url = web.site.get_web_url()
    with asking(url, "/slowly") as response:
        assert response.read(5) == b"first"
        assert ask(url, "/teapot").status == 418
        web.go.put("on")


@clause("web/code-knows-its-input", documented("guide/webhooks"))
def test_code_knows_its_input(web: Web) -> None:
    """Handlers, also on threads, know their container, its secrets, and the input of the call."""
    on_loop, on_thread = ask(web.site.get_web_url(), "/who").json
    assert on_loop == on_thread
    assert (on_loop["word"], on_loop["local"]) == ("swordfish", False)
    assert on_loop["container"].startswith("ta-")
    assert on_loop["input"].startswith("in-")
    assert on_loop["call"].startswith("fc-")
    assert ask(web.site.get_web_url(), "/who").json[0]["input"] != on_loop["input"]


@clause(
    "web/nobody-answers-for-a-stopped-app",
    observed("users report this body with a 404 for addresses of apps that are not deployed"),
)
def test_nobody_answers_for_a_stopped_app(web: Web) -> None:
    """The address of an app that has ended answers 404 in these words."""
    assert web
    app = modal.App()
    short: modal.Function[..., object, object] = app.function(
        name="short", serialized=True, image=image()
    )(modal.wsgi_app()(lambda: pages.pages_of))
    with app.run():
        url = short.get_web_url()
    answer = ask(url)
    assert (answer.status, answer.text) == (404, "modal-http: invalid function call")


@pytest.mark.parametrize("way", ["remote", "spawn", "remote_gen"])
@clause("web/a-call-is-refused", inferred("modal/_functions.py", "_Function._check_no_web_url"))
def test_a_call_is_refused(web: Web, way: str) -> None:
    """A web function is not called as other functions are; the error names its address."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        list(getattr(web.endpoint, way)("ann"))
    assert str(refusal.value) == (
        f"A webhook function cannot be invoked for remote execution with `.{way}`. "
        f"Invoke this function via its web url '{web.endpoint.get_web_url()}' "
        "or call it locally: endpoint.local()"
    )


@clause("web/only-web-functions-have-an-address", documented("sdk/py/latest/modal.Function"))
def test_only_web_functions_have_an_address(web: Web) -> None:
    """A web function has an address of its own, another function has none."""
    urls = {each.get_web_url() for each in (web.site, web.wsgi, web.endpoint, web.server)}
    assert len(urls) == 4
    assert all(str(url).startswith(("https://", "http://")) for url in urls)
    assert not web.plain.get_web_url()


@clause("web/a-web-function-can-be-called-at-home", documented("sdk/py/latest/modal.Function"))
def test_a_web_function_can_be_called_at_home(web: Web) -> None:
    """`local` calls the function of an endpoint where the caller is."""
    assert web.endpoint.local("ann", times=2)["greeting"] == "ann ann"

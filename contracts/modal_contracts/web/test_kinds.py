"""The kinds of web functions: WSGI apps, single endpoints, servers, methods of classes."""

from typing import Any

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred
from modal_contracts.web import pages
from modal_contracts.web.asking import ask
from modal_contracts.web.shared import Web

__all__ = ()

GUIDE = documented("guide/webhooks")
ENDPOINT = inferred("modal/_runtime/asgi.py", "magic_fastapi_app")
DECORATORS = "modal/_partial_function.py"


@clause("web/a-wsgi-app-answers", GUIDE)
def test_a_wsgi_app_answers(web: Web) -> None:
    """A WSGI app gets the request and gives status, headers and body."""
    answer = ask(
        web.wsgi.get_web_url(), "/p?a=1", method="POST", body=b"hi", headers={"X-Clause": "c"}
    )
    assert (answer.status, answer.headers["x-clause"]) == (202, "wsgi")
    assert answer.text == '["POST", "/p", {"a": ["1"]}, "c"]\nhi'


@clause("web/an-endpoint-reads-the-query", GUIDE)
def test_an_endpoint_reads_the_query(web: Web) -> None:
    """The arguments of an endpoint are query parameters, checked by their types."""
    url = web.endpoint.get_web_url()
    answer = ask(url, "/?name=ann&times=2")
    assert (answer.status, answer.json["greeting"]) == (200, "ann ann")
    assert answer.json["who"]["word"] == "swordfish"
    assert answer.json["who"]["input"].startswith("in-")
    assert ask(url, "/").status == 422
    assert ask(url, "/?name=ann&times=often").status == 422


@clause("web/an-endpoint-has-one-method", ENDPOINT)
def test_an_endpoint_has_one_method(web: Web) -> None:
    """An endpoint answers to its own method, by default GET, and to no other."""
    get, post = web.endpoint.get_web_url(), web.posting.get_web_url()
    assert ask(get, "/?name=ann", method="POST").status == 405
    assert ask(post, "/?name=ann", method="POST").json["greeting"] == "ann"
    assert ask(post, "/?name=ann").status == 405


@clause("web/an-endpoint-shows-docs-when-told", ENDPOINT)
def test_an_endpoint_shows_docs_when_told(web: Web) -> None:
    """Only with `docs=True` there are pages of documentation."""
    assert ask(web.endpoint.get_web_url(), "/docs").status == 404
    assert b"swagger" in ask(web.posting.get_web_url(), "/docs").body.lower()


@clause("web/an-endpoint-is-for-any-origin", ENDPOINT)
def test_an_endpoint_is_for_any_origin(web: Web) -> None:
    """Pages of other sites may ask an endpoint."""
    url = web.endpoint.get_web_url()
    origin = "https://clause.example"
    answer = ask(url, "/?name=ann", headers={"Origin": origin})
    # Which of the two it is, FastAPI decides.
    assert answer.headers["access-control-allow-origin"] in ("*", origin)


@clause("web/a-server-answers", GUIDE)
def test_a_server_answers(web: Web) -> None:
    """What listens on the port of a `web_server` answers, whatever it is."""
    url = web.server.get_web_url()
    answer = ask(url, "/a.txt")
    assert (answer.status, answer.text) == (200, "a page")
    assert ask(url, "/b.txt").status == 404


@clause("web/a-class-has-web-methods", GUIDE)
def test_a_class_has_web_methods(web: Web) -> None:
    """Web methods of a class have an address each, and share the object that was entered."""
    desk = web.desk()
    urls = desk.pages.get_web_url(), desk.hello.get_web_url()
    assert len(set(urls)) == 2
    assert ask(urls[0]).json == ["nobody", "enter", "startup"]
    assert ask(urls[1], "/?to=ann").json == "nobody says hello to ann"


@clause("web/a-parameter-comes-with-the-query", documented("guide/parametrized-functions"))
def test_a_parameter_comes_with_the_query(web: Web) -> None:
    """The parameters of a class are query parameters of its web methods."""
    answer = ask(web.desk().hello.get_web_url(), "/?to=ann&name=ben")
    assert answer.json == "ben says hello to ann"


@pytest.mark.parametrize("decorate", [modal.asgi_app, modal.wsgi_app, lambda: modal.web_server(80)])
@clause(
    "web/an-app-takes-no-arguments",
    inferred(DECORATORS, "_PartialFunction.validate_obj_compatibility"),
)
def test_an_app_takes_no_arguments(decorate: Any) -> None:
    """A function that makes an app or starts a server must have no parameters without default."""
    with pytest.raises(modal.exception.InvalidError):
        modal.App().function(serialized=True)(decorate()(pages.greet))

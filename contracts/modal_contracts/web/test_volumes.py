"""Volumes in web functions, whose containers stay warm from request to request."""

from concurrent.futures import ThreadPoolExecutor

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, observed
from modal_contracts.scene import Scene, content, upload
from modal_contracts.target import Capability
from modal_contracts.web.asking import ask
from modal_contracts.web.shared import Web

__all__ = ()

GUIDE = documented("guide/volumes")


@clause("web/a-warm-container-sees-its-old-view", GUIDE)
def test_a_warm_container_sees_its_old_view(web: Web) -> None:
    """What others put into a volume no request sees before one reloads it."""
    url = web.site.get_web_url()
    ask(url, "/state")
    upload(web.volume, {"late.txt": b"1"})
    assert ask(url, "/read?late.txt").status == 404
    assert ask(url, "/reload").text == "reloaded"
    assert ask(url, "/read?late.txt").text == "1"


@clause("web/a-request-commits", GUIDE)
def test_a_request_commits(web: Web) -> None:
    """What a request wrote and committed is in the volume when it is answered."""
    assert ask(web.site.get_web_url(), "/write?mine.txt", method="POST", body=b"m").status == 201
    assert content(web.volume, "mine.txt") == b"m"


@clause(
    "web/a-file-of-another-request-refuses-a-reload",
    observed("users of web apps meet this refusal when requests read files at the same time"),
    needs=[Capability.OPEN_FILES],
)
def test_a_file_of_another_request_refuses_a_reload(web: Web, scene: Scene) -> None:
    """A reload is refused while another request of the same container holds a file open."""
    assert scene.environment
    url = web.site.get_web_url()
    ask(url, "/write?held.txt", method="POST", body=b"held")
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(ask, url, "/hold?held.txt")
        assert web.marks.get(timeout=30) == "held"
        refused = ask(url, "/reload")
        web.go.put("on")
        assert holding.result().text == "held"
    assert refused.status == 409
    assert refused.text.startswith("there are open files preventing the operation")
    assert ask(url, "/reload").status == 200

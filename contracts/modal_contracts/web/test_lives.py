"""How web apps live: what begins before the first request, and what comes after the last."""

import modal

from modal_contracts.calling import one_input_only
from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred
from modal_contracts.scene import DATA, Scene, content, paths
from modal_contracts.web import pages
from modal_contracts.web.asking import ask
from modal_contracts.web.shared import Web, image

__all__ = ()

LIFE = inferred("modal/_runtime/user_code_imports.py", "lifecycle_asgi")


@clause("web/what-a-life-begins-with-is-there", documented("guide/webhooks"))
def test_what_a_life_begins_with_is_there(web: Web) -> None:
    """What an app puts into the state when it starts up, each request finds there."""
    for _ in range(2):
        assert ask(web.site.get_web_url(), "/state").text == "began"


@clause("web/an-app-lives-within-its-object", LIFE)
def test_an_app_lives_within_its_object(scene: Scene) -> None:
    """An app starts up after `enter` and shuts down before `exit`, when its container ends."""
    volume = scene.volume()
    app = modal.App()
    decorate = app.cls(serialized=True, image=image(), volumes={DATA: volume}, **one_input_only())
    desk = decorate(pages.Desk)
    scene.run_app(app)
    assert ask(desk().pages.get_web_url()).json == ["nobody", "enter", "startup"]
    # The answer may be here before the container knows that it was its last.
    assert scene.eventually(lambda: paths(volume) == ["diary.txt"])
    assert content(volume, "diary.txt") == b"enter startup shutdown exit"

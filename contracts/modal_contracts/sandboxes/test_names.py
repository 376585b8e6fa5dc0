"""How Sandboxes are found."""

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, live_tested
from modal_contracts.sandboxes.boxes import app, box, end
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

NAMED = live_tested("js/test/sandbox.test.ts", "NamedSandbox")
TAGS = documented("guide/sandboxes")
NEEDS = [Capability.SANDBOXES]


@clause("sandboxes/found-by-id", documented("sdk/py/latest/Sandbox"), needs=NEEDS)
def test_found_by_id(scene: Scene) -> None:
    """A Sandbox is found by its id, also after its end."""
    sandbox = box(app(scene), "sh", "-c", "exit 4")
    sandbox.wait()
    assert modal.Sandbox.from_id(sandbox.object_id).poll() == 4


@clause("sandboxes/a-name-is-held-while-it-runs", NAMED, since="1.1.1", needs=NEEDS)
def test_a_name_is_held_while_it_runs(scene: Scene) -> None:
    """A second Sandbox of a name is refused in the same app while the first one runs."""
    where = app(scene)
    first = box(where, name="mine")
    with pytest.raises(modal.exception.AlreadyExistsError, match="already exists"):
        box(where, name="mine")
    end(first)
    box(where, name="mine")


@clause("sandboxes/found-by-name", NAMED, since="1.1.1", needs=NEEDS)
def test_found_by_name(scene: Scene) -> None:
    """A running Sandbox of a deployed app is found by its name; one that has ended is not."""
    app_name = scene.unused_name("boxes")
    where = modal.App.lookup(app_name, create_if_missing=True)
    sandbox = box(where, name="mine")
    assert modal.Sandbox.from_name(app_name, "mine").object_id == sandbox.object_id
    end(sandbox)
    with pytest.raises(modal.exception.NotFoundError, match="not found"):
        modal.Sandbox.from_name(app_name, "mine")


@clause("sandboxes/listed-by-tags", TAGS, needs=NEEDS)
def test_listed_by_tags(scene: Scene) -> None:
    """The running Sandboxes of an app that have all of the asked tags are listed."""
    where = app(scene)
    red, blue, ended = (box(where) for _ in range(3))
    red.set_tags({"colour": "red", "size": "small"})
    blue.set_tags({"colour": "blue", "size": "small"})
    ended.set_tags({"size": "small"})
    end(ended)

    def ids(**tags: str) -> set[str]:
        found = modal.Sandbox.list(app_id=where.app_id, tags=tags)
        return {sandbox.object_id for sandbox in found}

    assert ids(size="small") == {red.object_id, blue.object_id}
    assert ids(size="small", colour="red") == {red.object_id}
    assert ids(size="large") == set()

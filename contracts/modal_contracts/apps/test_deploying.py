"""What a deployment changes, what it leaves to finish, and how an earlier one comes back."""

import json

import modal
import pytest

from modal_contracts.apps.editions import Shop, holding, telling, whereabouts
from modal_contracts.calling import image
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Scene

__all__ = ()

DEPLOYMENTS = documented("guide/managing-deployments")
COMMAND = documented("cli/latest/app")


@clause("apps/a-handle-follows-the-deployments", DEPLOYMENTS)
def test_a_handle_follows_the_deployments(scene: Scene) -> None:
    """A function that was looked up before a deployment is of the new version after it."""
    shop = Shop(scene)
    shop.deploy(tell=telling("one"))
    tell = shop.function()
    assert tell.remote() == "one"
    shop.deploy(tell=telling("two"))
    assert tell.remote() == "two" == shop.function().remote()


@clause(
    "apps/what-a-version-leaves-out-is-gone",
    assumed("a version is published as the whole of its functions, by one call"),
)
def test_what_a_version_leaves_out_is_gone(scene: Scene) -> None:
    """A function that the newest version does not have is not found."""
    shop = Shop(scene)
    shop.deploy(tell=telling("one"), old=telling("old"))
    shop.deploy(tell=telling("two"))
    with pytest.raises(modal.exception.NotFoundError):
        shop.function("old").hydrate()


@clause("apps/what-runs-ends-in-its-own-version", DEPLOYMENTS)
def test_what_runs_ends_in_its_own_version(scene: Scene) -> None:
    """A deployment lets old containers finish, while new calls go to the new version."""
    shop, begun, given = Shop(scene), scene.queue(), scene.queue()
    shop.deploy(hold=holding("one", begun, given))
    hold = shop.function("hold")
    first = hold.spawn()
    assert begun.get() == "one"
    shop.deploy(hold=holding("two", begun, given))
    second = hold.spawn()
    assert begun.get() == "two"
    given.put_many([0, 0])
    assert (first.get(), second.get()) == ("one", "two")


@clause("apps/to-recreate-leaves-no-old-container", DEPLOYMENTS, since="1.6.4")
def test_to_recreate_leaves_no_old_container(scene: Scene) -> None:
    """A deployment that recreates interrupts old containers; their inputs begin in new ones."""
    shop, begun, given = Shop(scene), scene.queue(), scene.queue()
    shop.deploy(hold=holding("one", begun, given))
    call = shop.function("hold").spawn()
    assert begun.get() == "one"
    shop.deploy_as({"strategy": "recreate"}, hold=holding("two", begun, given))
    assert begun.get() == "two"
    given.put_many([0, 0])
    assert call.get() == "two"


@clause("apps/a-rollback-brings-back-the-version-before", COMMAND)
def test_a_rollback_brings_back_the_version_before(scene: Scene) -> None:
    """After `modal app rollback` the functions are those of the version before, all of them."""
    shop = Shop(scene)
    shop.deploy(tell=telling("one"), old=telling("old"))
    shop.deploy(tell=telling("two"))
    assert "Deployment rollback successful!" in shop.command("rollback")
    assert shop.function().remote() == "one"
    assert shop.function("old").remote() == "old"


@clause("apps/a-rollback-is-a-new-version", COMMAND)
def test_a_rollback_is_a_new_version(scene: Scene) -> None:
    """A rollback may name a version, and is one more in the history, the newest first."""
    shop = Shop(scene)
    for word in ("one", "two", "three"):
        shop.deploy_as({"tag": f"tag-{word}"}, tell=telling(word))
    shop.command("rollback", "v2")
    assert shop.function().remote() == "two"
    history = json.loads(shop.command("history", "--json"))
    assert [_column(row, "version") for row in history] == ["v4", "v3", "v2", "v1"]
    assert [_column(row, "tag") for row in history][1:] == ["tag-three", "tag-two", "tag-one"]


@clause("apps/a-rollback-needs-such-a-version", assumed("there is nothing to bring back"))
def test_a_rollback_needs_such_a_version(scene: Scene) -> None:
    """A rollback to a version that never was fails and changes nothing."""
    shop = Shop(scene)
    shop.deploy(tell=telling("one"))
    assert scene.command("app", "rollback", shop.name, "v7").code == 1
    assert shop.function().remote() == "one"


@clause("apps/a-rollover-changes-containers-and-no-code", COMMAND, since="1.6.4")
def test_a_rollover_changes_containers_and_no_code(scene: Scene) -> None:
    """After `modal app rollover` the same functions run in other containers."""
    shop = Shop(scene)
    shop.deploy(where=whereabouts)
    where = shop.function("where")
    before = where.remote()
    shop.command("rollover", "--strategy", "recreate")
    assert where.remote() != before


@clause(
    "apps/a-version-can-be-called-for-good",
    inferred("modal/_functions.py", "_Function.from_name"),
    since="1.6.4",
)
def test_a_version_can_be_called_for_good(scene: Scene) -> None:
    """A function that was looked up with a version stays that of this version."""
    shop = Shop(scene)
    shop.deploy(tell=telling("one"))
    first = shop.function(version=1)
    assert first.remote() == "one"
    shop.deploy(tell=telling("two"))
    assert (first.remote(), shop.function().remote()) == ("one", "two")


@clause("apps/a-stopped-app-is-not-brought-back", inferred("modal/cli/app.py", "rollback"))
def test_a_stopped_app_is_not_brought_back(scene: Scene) -> None:
    """A stopped app is not found by its name, and no rollback starts it again."""
    shop = Shop(scene)
    shop.deploy(tell=telling("one"))
    shop.deploy(tell=telling("two"))
    scene.stop_app(shop.name)
    assert scene.command("app", "rollback", shop.name).code == 1
    with pytest.raises(modal.exception.NotFoundError):
        shop.function().hydrate()


@clause("apps/a-detached-app-outlives-its-client", documented("guide/apps"))
def test_a_detached_app_outlives_its_client(scene: Scene) -> None:
    """What was begun in a detached app goes on after the client has left."""
    begun, given = scene.queue(), scene.queue()
    app = modal.App()
    hold = app.function(name="hold", serialized=True, image=image())(holding("done", begun, given))
    with app.run(detach=True):
        call = hold.spawn()
        assert begun.get() == "done"
    given.put(0)
    assert call.get() == "done"


def _column(row: dict[str, str], name: str) -> str:
    """Return a column; older commands name theirs as they show them."""
    (value,) = (v for k, v in row.items() if k.lower() == name)
    return value

"""Who sees a Dict: containers, other apps, and how long it outlives them."""

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented
from modal_contracts.scene import Scene

__all__ = ()

GUIDE = documented("guide/dicts-and-queues")


@clause("dicts/containers-share-it", GUIDE)
def test_containers_share_it(scene: Scene) -> None:
    """What one container puts, another and the caller read at once, and the other way round."""
    entries = scene.dict({"from": "caller"})
    first, second = scene.containers(2)
    assert first.run(bodies.call, entries, "get", "from") == "caller"
    first.run(bodies.call, entries, "put", "from", "first")
    assert second.run(bodies.call, entries, "get", "from") == "first"
    assert second.run(bodies.call, entries, "pop", "from") == "first"
    assert entries.len() == 0


@clause("dicts/it-outlives-its-apps", GUIDE)
def test_it_outlives_its_apps(scene: Scene) -> None:
    """A named Dict keeps its entries when the app that put them has ended."""
    entries = scene.dict()
    app = modal.App()
    put = app.function(serialized=True, name="put", image=_image())(bodies.call)
    with app.run():
        put.remote(entries, "put", "key", "value")
    assert entries["key"] == "value"


@clause("dicts/a-container-fails-in-the-same-words", GUIDE)
def test_a_container_fails_in_the_same_words(scene: Scene) -> None:
    """A KeyError in a container comes to the caller as it is."""
    entries = scene.dict()
    container = scene.container()
    with pytest.raises(KeyError, match=f"key not in dict {entries.object_id}"):
        container.run(bodies.call, entries, "pop", "key")


@clause("dicts/a-container-makes-its-own", GUIDE)
def test_a_container_makes_its_own(scene: Scene) -> None:
    """A container may make an ephemeral Dict and Queue, which others reach by a handle alone."""
    values = ["a", {"b": None}, 3]
    found, taken, ids = scene.container().run(bodies.use_for_a_while, values)
    assert found == taken == values
    assert [each[:3] for each in ids] == ["di-", "qu-"]


@clause(
    "dicts/only-one-container-is-first",
    assumed("`skip_if_exists` is the primitive that Modal names for locks, which must be atomic"),
)
def test_only_one_container_is_first(scene: Scene) -> None:
    """Of containers that claim the same keys at the same time, each key goes to exactly one."""
    entries = scene.dict()
    keys = [f"key-{number}" for number in range(20)]
    claims = [
        container.begin(bodies.claim_each, entries, keys, str(number))
        for number, container in enumerate(scene.containers(2))
    ]
    won = [claimed() for claimed in claims]
    assert sorted(won[0] + won[1]) == sorted(keys)
    assert dict(entries.items()) == {
        **dict.fromkeys(won[0], "0"),
        **dict.fromkeys(won[1], "1"),
    }


def _image() -> modal.Image:
    return modal.Image.debian_slim().add_local_python_source("modal_contracts")

"""Names, ids and environments of Dicts."""

import time
from typing import Any

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Scene

__all__ = ()

MANAGERS = "1.1.2"
IDS = "1.3.4"
CLOCKS_APART = 300
NAME_RULE = (
    "Invalid Dict name: '{name}'.\n\nNames may contain only alphanumeric characters, dashes, "
    "periods, and underscores, must be shorter than 64 characters, and cannot conflict with App ID "
    "strings."
)


@clause(
    "dicts/a-missing-dict-is-not-found",
    assumed(
        "volumes and secrets are known to be missing in these words, dicts only by Modal's mocks"
    ),
)
def test_a_missing_dict_is_not_found(scene: Scene) -> None:
    """Looking up a name that nobody has raises NotFoundError in these words."""
    name = scene.unused_name()
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        modal.Dict.from_name(name).hydrate()
    text = f"Dict '{name}' not found in environment '{scene.environment}'"
    assert str(refusal.value) == text


@clause("dicts/create-if-missing-creates-once", documented("sdk/py/latest/modal.Dict"))
def test_create_if_missing_creates_once(scene: Scene) -> None:
    """`create_if_missing` makes it the first time and finds it later, with what is in it."""
    name = scene.unused_name()
    early = modal.Dict.from_name(name)
    first = modal.Dict.from_name(name, create_if_missing=True)
    first.put("key", "value")
    second = modal.Dict.from_name(name, create_if_missing=True)
    assert second.len() == early.len() == 1
    assert first.object_id == second.object_id == early.object_id
    assert first.object_id.startswith("di-")


@pytest.mark.parametrize("name", ["", "two words", "a/b", "ü", "x" * 65, "ap-" + "a" * 22])
@clause("dicts/a-bad-name-is-refused", inferred("modal/_utils/name_utils.py", "check_object_name"))
def test_a_bad_name_is_refused(name: str) -> None:
    """Names with other characters, too long ones, and those like an app's id are refused."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.Dict.from_name(name)
    assert str(refusal.value) == NAME_RULE.format(name=name)


@clause("dicts/there-is-no-constructor", inferred("modal/dict.py", "_Dict.__init__"))
def test_there_is_no_constructor() -> None:
    """A handle is made by `from_name` or `ephemeral`, and by nothing else."""
    refuse: Any = modal.Dict
    with pytest.raises(RuntimeError, match=r"not allowed\. Please use `Dict\.from_name"):
        refuse()


@clause(
    "dicts/create-refuses-a-name-that-is-taken",
    documented("sdk/py/latest/modal.Dict"),
    since=MANAGERS,
)
def test_create_refuses_a_name_that_is_taken(scene: Scene) -> None:
    """`objects.create` raises AlreadyExistsError, and with `allow_existing` keeps what is there."""
    name = scene.unused_name()
    modal.Dict.objects.create(name)
    modal.Dict.from_name(name).put("key", "value")
    with pytest.raises(modal.exception.AlreadyExistsError):
        modal.Dict.objects.create(name)
    modal.Dict.objects.create(name, allow_existing=True)
    assert modal.Dict.from_name(name).len() == 1


@clause(
    "dicts/the-list-is-newest-first",
    documented("sdk/py/latest/modal.Dict"),
    since=MANAGERS,
)
def test_the_list_is_newest_first(scene: Scene) -> None:
    """`objects.list` gives all that have names, the newest first, and fewer on request."""
    names = [scene.unused_name() for _ in range(3)]
    for name in names:
        modal.Dict.objects.create(name)
    listed = [each.name for each in modal.Dict.objects.list()]
    assert [name for name in listed if name in names] == names[::-1]
    assert [each.name for each in modal.Dict.objects.list(max_objects=2)] == listed[:2]


@clause(
    "dicts/a-deleted-dict-is-gone",
    documented("sdk/py/latest/modal.Dict"),
    since=MANAGERS,
)
def test_a_deleted_dict_is_gone(scene: Scene) -> None:
    """After `objects.delete` the name finds nothing, and one made anew under it is empty."""
    name = scene.unused_name()
    modal.Dict.from_name(name, create_if_missing=True).put("key", "value")
    modal.Dict.objects.delete(name)
    with pytest.raises(modal.exception.NotFoundError):
        modal.Dict.from_name(name).hydrate()
    assert modal.Dict.from_name(name, create_if_missing=True).len() == 0


@clause(
    "dicts/deleting-nothing-is-not-found",
    documented("sdk/py/latest/modal.Dict"),
    since=MANAGERS,
)
def test_deleting_nothing_is_not_found(scene: Scene) -> None:
    """`objects.delete` of a missing name raises NotFoundError unless `allow_missing` is given."""
    name = scene.unused_name()
    with pytest.raises(modal.exception.NotFoundError):
        modal.Dict.objects.delete(name)
    modal.Dict.objects.delete(name, allow_missing=True)


@clause(
    "dicts/a-handle-to-a-deleted-dict-is-broken",
    assumed("a deleted volume's handle stays broken by the guide; the same is assumed here"),
    since=MANAGERS,
)
def test_a_handle_to_a_deleted_dict_is_broken(scene: Scene) -> None:
    """What is done with a deleted one is refused, also when the name exists again."""
    name = scene.unused_name()
    old = modal.Dict.from_name(name, create_if_missing=True)
    old.hydrate()
    modal.Dict.objects.delete(name)
    new = modal.Dict.from_name(name, create_if_missing=True)
    new.hydrate()
    assert new.object_id != old.object_id
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        old.len()
    assert str(refusal.value) == f"No Dict with ID '{old.object_id}' found"


@clause("dicts/an-id-finds-the-dict", documented("sdk/py/latest/modal.Dict"), since=IDS)
def test_an_id_finds_the_dict(scene: Scene) -> None:
    """`from_id` gives a handle to the one with that id, and refuses an id of nothing."""
    made = scene.dict()
    made.put("key", "value")
    assert modal.Dict.from_id(made.object_id).len() == 1
    with pytest.raises(modal.exception.NotFoundError):
        modal.Dict.from_id("di-" + "0" * 22).hydrate()


@clause(
    "dicts/an-ephemeral-dict-has-no-name",
    documented("guide/dicts-and-queues"),
    since=MANAGERS,
)
def test_an_ephemeral_dict_has_no_name(scene: Scene) -> None:
    """An ephemeral one works as any other within its block, and is in no list."""
    with modal.Dict.ephemeral() as made, modal.Dict.ephemeral() as other:
        made.put("key", "value")
        assert (made.len(), other.len()) == (1, 0)
        assert made.object_id.startswith("di-")
        assert made.object_id not in [each.object_id for each in modal.Dict.objects.list()]


@clause(
    "dicts/a-handle-tells-who-made-the-dict",
    documented("sdk/py/latest/modal.Dict"),
    since=MANAGERS,
)
def test_a_handle_tells_who_made_the_dict(scene: Scene) -> None:
    """`info` gives the name, when it was made, and by whom."""
    name = scene.unused_name()
    modal.Dict.objects.create(name)
    info = modal.Dict.from_name(name).info()
    assert info.name == name
    assert abs(info.created_at.timestamp() - time.time()) < CLOCKS_APART
    assert info.created_by


@clause("dicts/each-environment-has-its-own", documented("guide/environments"))
def test_each_environment_has_its_own(scene: Scene) -> None:
    """A name means another one in another environment, and nothing where there is no such."""
    here = scene.dict()
    nowhere = scene.unused_name("nowhere")
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        modal.Dict.from_name("anything", environment_name=nowhere).hydrate()
    assert str(refusal.value).startswith(f"Environment '{nowhere}' not found")
    assert here.len() == 0

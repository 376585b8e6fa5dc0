"""Names, ids and environments of Queues."""

import time
from typing import Any

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred, live_tested
from modal_contracts.scene import Scene

__all__ = ()

MANAGERS = "1.1.2"
IDS = "1.3.4"
CLOCKS_APART = 300
NAME_RULE = (
    "Invalid Queue name: '{name}'.\n\nNames may contain only alphanumeric characters, dashes, "
    "periods, and underscores, must be shorter than 64 characters, and cannot conflict with App ID "
    "strings."
)


@clause(
    "queues/a-missing-queue-is-not-found",
    assumed(
        "volumes and secrets are known to be missing in these words, queues only by Modal's mocks"
    ),
)
def test_a_missing_queue_is_not_found(scene: Scene) -> None:
    """Looking up a name that nobody has raises NotFoundError in these words."""
    name = scene.unused_name()
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        modal.Queue.from_name(name).hydrate()
    text = f"Queue '{name}' not found in environment '{scene.environment}'"
    assert str(refusal.value) == text


@clause("queues/create-if-missing-creates-once", documented("sdk/py/latest/modal.Queue"))
def test_create_if_missing_creates_once(scene: Scene) -> None:
    """`create_if_missing` makes it the first time and finds it later, with what is in it."""
    name = scene.unused_name()
    early = modal.Queue.from_name(name)
    first = modal.Queue.from_name(name, create_if_missing=True)
    first.put("value")
    second = modal.Queue.from_name(name, create_if_missing=True)
    assert second.len() == early.len() == 1
    assert first.object_id == second.object_id == early.object_id
    assert first.object_id.startswith("qu-")


@pytest.mark.parametrize("name", ["", "two words", "a/b", "ü", "x" * 65, "ap-" + "a" * 22])
@clause("queues/a-bad-name-is-refused", inferred("modal/_utils/name_utils.py", "check_object_name"))
def test_a_bad_name_is_refused(name: str) -> None:
    """Names with other characters, too long ones, and those like an app's id are refused."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.Queue.from_name(name)
    assert str(refusal.value) == NAME_RULE.format(name=name)


@clause("queues/there-is-no-constructor", inferred("modal/queue.py", "_Queue.__init__"))
def test_there_is_no_constructor() -> None:
    """A handle is made by `from_name` or `ephemeral`, and by nothing else."""
    refuse: Any = modal.Queue
    with pytest.raises(RuntimeError, match=r"not allowed\. Please use `Queue\.from_name"):
        refuse()


@clause(
    "queues/create-refuses-a-name-that-is-taken",
    documented("sdk/py/latest/modal.Queue"),
    since=MANAGERS,
)
def test_create_refuses_a_name_that_is_taken(scene: Scene) -> None:
    """`objects.create` raises AlreadyExistsError, and with `allow_existing` keeps what is there."""
    name = scene.unused_name()
    modal.Queue.objects.create(name)
    modal.Queue.from_name(name).put("value")
    with pytest.raises(modal.exception.AlreadyExistsError):
        modal.Queue.objects.create(name)
    modal.Queue.objects.create(name, allow_existing=True)
    assert modal.Queue.from_name(name).len() == 1


@clause(
    "queues/the-list-is-newest-first",
    documented("sdk/py/latest/modal.Queue"),
    since=MANAGERS,
)
def test_the_list_is_newest_first(scene: Scene) -> None:
    """`objects.list` gives all that have names, the newest first, and fewer on request."""
    names = [scene.unused_name() for _ in range(3)]
    for name in names:
        modal.Queue.objects.create(name)
    listed = [each.name for each in modal.Queue.objects.list()]
    assert [name for name in listed if name in names] == names[::-1]
    assert [each.name for each in modal.Queue.objects.list(max_objects=2)] == listed[:2]


@clause(
    "queues/a-deleted-queue-is-gone",
    live_tested("js/test/queue.test.ts", "QueueNonEphemeral"),
    since=MANAGERS,
)
def test_a_deleted_queue_is_gone(scene: Scene) -> None:
    """After `objects.delete` the name finds nothing, and one made anew under it is empty."""
    name = scene.unused_name()
    modal.Queue.from_name(name, create_if_missing=True).put("value")
    modal.Queue.objects.delete(name)
    with pytest.raises(modal.exception.NotFoundError):
        modal.Queue.from_name(name).hydrate()
    assert modal.Queue.from_name(name, create_if_missing=True).len() == 0


@clause(
    "queues/deleting-nothing-is-not-found",
    documented("sdk/py/latest/modal.Queue"),
    since=MANAGERS,
)
def test_deleting_nothing_is_not_found(scene: Scene) -> None:
    """`objects.delete` of a missing name raises NotFoundError unless `allow_missing` is given."""
    name = scene.unused_name()
    with pytest.raises(modal.exception.NotFoundError):
        modal.Queue.objects.delete(name)
    modal.Queue.objects.delete(name, allow_missing=True)


@clause(
    "queues/a-handle-to-a-deleted-queue-is-broken",
    assumed("a deleted volume's handle stays broken by the guide; the same is assumed here"),
    since=MANAGERS,
)
def test_a_handle_to_a_deleted_queue_is_broken(scene: Scene) -> None:
    """What is done with a deleted one is refused, also when the name exists again."""
    name = scene.unused_name()
    old = modal.Queue.from_name(name, create_if_missing=True)
    old.hydrate()
    modal.Queue.objects.delete(name)
    new = modal.Queue.from_name(name, create_if_missing=True)
    new.hydrate()
    assert new.object_id != old.object_id
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        old.len()
    assert str(refusal.value) == f"No Queue with ID '{old.object_id}' found"


@clause("queues/an-id-finds-the-queue", documented("sdk/py/latest/modal.Queue"), since=IDS)
def test_an_id_finds_the_queue(scene: Scene) -> None:
    """`from_id` gives a handle to the one with that id, and refuses an id of nothing."""
    made = scene.queue()
    made.put("value")
    assert modal.Queue.from_id(made.object_id).len() == 1
    with pytest.raises(modal.exception.NotFoundError):
        modal.Queue.from_id("qu-" + "0" * 22).hydrate()


@clause(
    "queues/an-ephemeral-queue-has-no-name",
    live_tested("js/test/queue.test.ts", "QueueSuite1"),
    since=MANAGERS,
)
def test_an_ephemeral_queue_has_no_name(scene: Scene) -> None:
    """An ephemeral one works as any other within its block, and is in no list."""
    with modal.Queue.ephemeral() as made, modal.Queue.ephemeral() as other:
        made.put("value")
        assert (made.len(), other.len()) == (1, 0)
        assert made.object_id.startswith("qu-")
        assert made.object_id not in [each.object_id for each in modal.Queue.objects.list()]


@clause(
    "queues/a-handle-tells-who-made-the-queue",
    documented("sdk/py/latest/modal.Queue"),
    since=MANAGERS,
)
def test_a_handle_tells_who_made_the_queue(scene: Scene) -> None:
    """`info` gives the name, when it was made, and by whom."""
    name = scene.unused_name()
    modal.Queue.objects.create(name)
    info = modal.Queue.from_name(name).info()
    assert info.name == name
    assert abs(info.created_at.timestamp() - time.time()) < CLOCKS_APART
    assert info.created_by


@clause("queues/each-environment-has-its-own", documented("guide/environments"))
def test_each_environment_has_its_own(scene: Scene) -> None:
    """A name means another one in another environment, and nothing where there is no such."""
    here = scene.queue()
    nowhere = scene.unused_name("nowhere")
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        modal.Queue.from_name("anything", environment_name=nowhere).hydrate()
    assert str(refusal.value).startswith(f"Environment '{nowhere}' not found")
    assert here.len() == 0

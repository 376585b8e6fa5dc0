"""Named secrets: finding, creating, listing and deleting them."""

import re

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred, live_tested, observed
from modal_contracts.scene import Scene

__all__ = ()

MANAGERS = "1.1.2"


@clause("secrets/a-named-secret-is-found", live_tested("js/test/secret.test.ts", "SecretFromName"))
def test_a_named_secret_is_found(scene: Scene) -> None:
    """A secret that was created under a name reaches the containers that ask for the name."""
    secret = scene.secret({"CLAUSE_A": "one"})
    container = scene.container(secrets=[secret])
    assert container.run(bodies.copy_environment, ["CLAUSE_A"]) == {"CLAUSE_A": "one"}


@clause(
    "secrets/a-missing-secret-is-not-found",
    observed("several users quote the text with its link, after `modal run` and `modal deploy`"),
)
def test_a_missing_secret_is_not_found(scene: Scene) -> None:
    """Looking up a name that nobody has raises NotFoundError, with a link to create it."""
    name = scene.unused_name()
    with pytest.raises(modal.exception.NotFoundError) as refusal:
        modal.Secret.from_name(name).hydrate()
    environment = re.escape(scene.environment)
    assert re.fullmatch(
        f"Secret '{name}' not found in environment '{environment}'. You can create it here: "
        rf"https://modal\.com/secrets/[^/]+/{environment}/create\?secret_name={name}",
        str(refusal.value),
    )


@clause(
    "secrets/a-missing-secret-stops-the-app",
    observed("apps fail to start over a secret that only an uncalled function names"),
)
def test_a_missing_secret_stops_the_app(scene: Scene) -> None:
    """An app whose function names a missing secret does not start, though nothing is called."""
    with pytest.raises(modal.exception.NotFoundError):
        scene.container(secrets=[modal.Secret.from_name(scene.unused_name())])


@clause("secrets/a-handle-looks-nothing-up", documented("sdk/py/latest/modal.Secret"))
def test_a_handle_looks_nothing_up(scene: Scene) -> None:
    """`from_name` is lazy: a handle to a secret that comes later works."""
    name = scene.unused_name()
    early = modal.Secret.from_name(name)
    scene.secret({"CLAUSE_A": "one"}, name)
    early.hydrate()
    assert early.object_id.startswith("st-")


@clause(
    "secrets/required-keys-must-be-there",
    live_tested("js/test/secret.test.ts", "SecretFromNameWithRequiredKeys"),
)
def test_required_keys_must_be_there(scene: Scene) -> None:
    """A lookup that requires a key which the secret lacks is refused, naming the key."""
    name = scene.unused_name()
    scene.secret({"CLAUSE_A": "one", "CLAUSE_B": "two"}, name)
    modal.Secret.from_name(name, required_keys=["CLAUSE_A", "CLAUSE_B"]).hydrate()
    secret = modal.Secret.from_name(name, required_keys=["CLAUSE_A", "missing-key"])
    with pytest.raises(Exception, match=re.escape("Secret is missing key(s): missing-key")):
        secret.hydrate()


@clause(
    "secrets/create-refuses-a-name-that-is-taken",
    observed("a user's log shows the text for a secret created a second time"),
    since=MANAGERS,
)
def test_create_refuses_a_name_that_is_taken(scene: Scene) -> None:
    """`objects.create` raises AlreadyExistsError in these words."""
    name = scene.unused_name()
    modal.Secret.objects.create(name, {"CLAUSE_A": "one"})
    with pytest.raises(modal.exception.AlreadyExistsError) as refusal:
        modal.Secret.objects.create(name, {"CLAUSE_A": "two"})
    text = f"Secret '{name}' already exists in environment '{scene.environment}'"
    assert str(refusal.value) == text


@clause(
    "secrets/allow-existing-keeps-the-old-values",
    inferred("modal/secret.py", "_SecretManager.create"),
    since=MANAGERS,
)
def test_allow_existing_keeps_the_old_values(scene: Scene) -> None:
    """With `allow_existing` a taken name is no error, and the old values stay."""
    name = scene.unused_name()
    modal.Secret.objects.create(name, {"CLAUSE_A": "old"})
    modal.Secret.objects.create(name, {"CLAUSE_A": "new"}, allow_existing=True)
    container = scene.container(secrets=[modal.Secret.from_name(name)])
    assert container.run(bodies.copy_environment, ["CLAUSE_A"]) == {"CLAUSE_A": "old"}


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 65])
@clause(
    "secrets/create-checks-the-name",
    inferred("modal/secret.py", "_SecretManager.create"),
    since=MANAGERS,
)
def test_create_checks_the_name(scene: Scene, name: str) -> None:
    """`objects.create` refuses names with other characters and too long ones."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.Secret.objects.create(name, {"CLAUSE_A": "one"})
    assert str(refusal.value).startswith(f"Invalid Secret name: '{name}'.")


@clause("secrets/a-deleted-secret-is-gone", documented("sdk/py/latest/modal.Secret"), since="1.1.2")
def test_a_deleted_secret_is_gone(scene: Scene) -> None:
    """After `objects.delete` the name finds nothing; deleting again is refused unless allowed."""
    name = scene.unused_name()
    modal.Secret.objects.create(name, {"CLAUSE_A": "one"})
    modal.Secret.objects.delete(name)
    with pytest.raises(modal.exception.NotFoundError):
        modal.Secret.from_name(name).hydrate()
    with pytest.raises(modal.exception.NotFoundError):
        modal.Secret.objects.delete(name)
    modal.Secret.objects.delete(name, allow_missing=True)


@clause(
    "secrets/the-list-is-newest-first",
    documented("sdk/py/latest/modal.Secret"),
    since=MANAGERS,
)
def test_the_list_is_newest_first(scene: Scene) -> None:
    """`objects.list` gives all named secrets, the newest first; those without a name are not in."""
    names = [scene.unused_name() for _ in range(3)]
    for name in names:
        modal.Secret.objects.create(name, {"CLAUSE_A": "one"})
    scene.container(secrets=[modal.Secret.from_dict({"CLAUSE_B": "two"})])
    listed = [secret.name for secret in modal.Secret.objects.list()]
    assert [name for name in listed if name in names] == names[::-1]
    assert None not in listed


@clause("secrets/nothing-shows-the-values", inferred("modal/secret.py", "_Secret"), since=MANAGERS)
def test_nothing_shows_the_values(scene: Scene) -> None:
    """Neither a handle, nor a listing, nor a refusal shows a value."""
    name, value = scene.unused_name(), scene.unused_name("hidden")
    handle = scene.secret({"CLAUSE_A": value}, name)
    handle.hydrate()
    with pytest.raises(modal.exception.AlreadyExistsError) as refusal:
        modal.Secret.objects.create(name, {"CLAUSE_A": value})
    shown = [handle, modal.Secret.objects.list(), modal.Secret.from_dict({"K": value})]
    assert value not in repr([repr(each) for each in shown]) + str(refusal.value)

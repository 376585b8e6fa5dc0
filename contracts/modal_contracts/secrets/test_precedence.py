"""Which of several values for one key a container gets, and whom an update reaches."""

from typing import Any

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Container, Scene

__all__ = ()

UPDATE = "1.3.5"


def _values(container: Container, *names: str) -> list[str | None]:
    return list(container.run(bodies.copy_environment, names).values())


@clause("secrets/the-later-secret-wins", documented("guide/secrets"))
def test_the_later_secret_wins(scene: Scene) -> None:
    """When two secrets have the same key, the later one in the list has it."""
    first = modal.Secret.from_dict({"CLAUSE_A": "first", "CLAUSE_B": "first"})
    second = scene.secret({"CLAUSE_B": "second", "CLAUSE_C": "second"})
    names = ("CLAUSE_A", "CLAUSE_B", "CLAUSE_C")
    assert _values(scene.container(secrets=[first, second]), *names) == [
        "first",
        "second",
        "second",
    ]
    assert _values(scene.container(secrets=[second, first]), *names) == ["first", "first", "second"]


@clause("secrets/the-function-wins-over-the-app", inferred("modal/app.py", "_App.function"))
def test_the_function_wins_over_the_app(scene: Scene) -> None:
    """Secrets of the app reach every function, and give way to the function's own."""
    app = modal.Secret.from_dict({"CLAUSE_A": "app", "CLAUSE_B": "app"})
    own = modal.Secret.from_dict({"CLAUSE_B": "function"})
    container = scene.container(app_secrets=[app], secrets=[own])
    assert _values(container, "CLAUSE_A", "CLAUSE_B") == ["app", "function"]


@clause(
    "secrets/env-wins-over-all",
    inferred("modal/_functions.py", "_Function._from_local"),
    since="1.2.0",
)
def test_env_wins_over_all(scene: Scene) -> None:
    """What `env=` sets stands above all secrets of the function."""
    secret = modal.Secret.from_dict({"CLAUSE_A": "secret", "CLAUSE_B": "secret"})
    container = scene.container(secrets=[secret], env={"CLAUSE_B": "env"})
    assert _values(container, "CLAUSE_A", "CLAUSE_B") == ["secret", "env"]


@clause(
    "secrets/a-secret-wins-over-the-image",
    assumed("secrets are set when a container starts, so on top of what its image brings"),
)
def test_a_secret_wins_over_the_image(scene: Scene) -> None:
    """A variable of the image gives way to a secret's."""
    container = scene.container(
        image_env={"CLAUSE_A": "image", "CLAUSE_B": "image"},
        secrets=[modal.Secret.from_dict({"CLAUSE_B": "secret"})],
    )
    assert _values(container, "CLAUSE_A", "CLAUSE_B") == ["image", "secret"]


@clause("secrets/what-modal-sets-stands", documented("guide/environment_variables"))
def test_what_modal_sets_stands(scene: Scene) -> None:
    """Variables that Modal's runtime sets cannot be overridden by a secret."""
    forged: dict[str, str | None] = {
        "MODAL_TASK_ID": "forged",
        "MODAL_IS_REMOTE": "forged",
        "MODAL_ENVIRONMENT": "forged",
    }
    container = scene.container(secrets=[modal.Secret.from_dict(forged)])
    task, remote, environment = _values(container, *forged)
    assert task is not None
    assert task.startswith("ta-")
    assert remote == "1"
    assert environment == scene.environment


@clause(
    "secrets/an-update-reaches-new-containers-only", documented("changelog/1.3.5"), since=UPDATE
)
def test_an_update_reaches_new_containers_only(scene: Scene) -> None:
    """A running container keeps the values that it started with; those that start later differ."""
    secret = scene.secret({"CLAUSE_A": "old"})
    early, late = scene.containers(2, secrets=[secret])
    assert _values(early, "CLAUSE_A") == ["old"]
    secret.update({"CLAUSE_A": "new"})
    assert _values(late, "CLAUSE_A") == ["new"]
    assert _values(early, "CLAUSE_A") == ["old"]


@clause(
    "secrets/an-update-adds-and-replaces",
    documented("sdk/py/latest/modal.Secret"),
    since=UPDATE,
)
def test_an_update_adds_and_replaces(scene: Scene) -> None:
    """An update sets the keys that it names and leaves the others."""
    secret = scene.secret({"CLAUSE_A": "1", "CLAUSE_B": "1"})
    secret.update({"CLAUSE_B": "2", "CLAUSE_C": "2"})
    container = scene.container(secrets=[secret])
    assert _values(container, "CLAUSE_A", "CLAUSE_B", "CLAUSE_C") == ["1", "2", "2"]


@pytest.mark.parametrize("values", [["A"], {1: "a"}, {"A": 1}, {"A": None}], ids=repr)
@clause(
    "secrets/an-update-takes-strings-only",
    inferred("modal/secret.py", "_Secret.update"),
    since=UPDATE,
)
def test_an_update_takes_strings_only(scene: Scene, values: Any) -> None:
    """Anything but a dict from str to str is refused in these words."""
    secret = scene.secret({"CLAUSE_A": "1"})
    with pytest.raises(modal.exception.InvalidError) as refusal:
        secret.update(values)
    text = "The `env_dict` argument to `Secret.update` must be a dict[str, str]"
    assert str(refusal.value) == text

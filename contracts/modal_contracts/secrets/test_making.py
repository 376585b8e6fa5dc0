"""Making secrets from values at hand: dictionaries, dotenv files, local variables."""

from pathlib import Path
from typing import Any

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import Scene

__all__ = ()

DICT = inferred("modal/secret.py", "_Secret.from_dict")
DOTENV = inferred("modal/secret.py", "_Secret.from_dotenv")
LOCAL = inferred("modal/secret.py", "_Secret.from_local_environ")


def _seen(scene: Scene, secret: modal.Secret, *names: str) -> dict[str, str | None]:
    return scene.container(secrets=[secret]).run(bodies.copy_environment, names)


@clause("secrets/values-are-environment-variables", documented("guide/secrets"))
def test_values_are_environment_variables(scene: Scene) -> None:
    """A container finds the values of its secrets in its environment."""
    secret = modal.Secret.from_dict({"CLAUSE_A": "one", "CLAUSE_B": "two"})
    seen = _seen(scene, secret, "CLAUSE_A", "CLAUSE_B", "CLAUSE_C")
    assert seen == {"CLAUSE_A": "one", "CLAUSE_B": "two", "CLAUSE_C": None}


@clause("secrets/programs-see-the-values", documented("guide/secrets"))
def test_programs_see_the_values(scene: Scene) -> None:
    """A program that a function starts finds them as well."""
    container = scene.container(secrets=[modal.Secret.from_dict({"CLAUSE_A": "one"})])
    done = container.run(bodies.run_program, ["sh", "-c", 'printf %s "$CLAUSE_A"'])
    assert done == (0, "one", "")


@clause(
    "secrets/values-arrive-as-they-are",
    assumed("the guide limits the length of values, and says nothing of what is in them"),
)
def test_values_arrive_as_they_are(scene: Scene) -> None:
    """Empty values, several lines, quotes, dollars and other scripts arrive unchanged."""
    values: dict[str, str | None] = {
        "CLAUSE_EMPTY": "",
        "CLAUSE_LINES": "-----BEGIN KEY-----\nabc\n-----END KEY-----\n",
        "CLAUSE_JSON": '{"a": "b c", "d": \'$HOME\'}',
        "CLAUSE_SPACE": "  around  ",
        "CLAUSE_SCRIPT": "ключ 鍵 🔑",
        "CLAUSE_LONG": "x" * 32_768,
    }
    secret = modal.Secret.from_dict(values)
    assert _seen(scene, secret, *values) == values


@clause("secrets/a-value-of-none-drops-the-key", documented("sdk/py/latest/modal.Secret"))
def test_a_value_of_none_drops_the_key(scene: Scene) -> None:
    """A key whose value is None is left out of the secret."""
    secret = modal.Secret.from_dict({"CLAUSE_A": "one", "CLAUSE_B": None})
    assert _seen(scene, secret, "CLAUSE_A", "CLAUSE_B") == {"CLAUSE_A": "one", "CLAUSE_B": None}


@pytest.mark.parametrize(
    ("values", "end"),
    [
        (["A"], ", got list"),
        ({1: "a"}, ", key has type int"),
        ({"K": 1}, ", value for key 'K' has type int"),
    ],
    ids=["list", "key", "value"],
)
@clause("secrets/wrong-types-are-refused", DICT, since="1.6.4")
def test_wrong_types_are_refused(values: Any, end: str) -> None:
    """`from_dict` takes a dict from str to str or None and says what else it got."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.Secret.from_dict(values)
    start = "the env_dict argument to Secret has to be a dict[str, Union[str, None]]"
    assert str(refusal.value) == start + end


@clause("secrets/a-dotenv-file-is-found-upwards", DOTENV)
def test_a_dotenv_file_is_found_upwards(scene: Scene, tmp_path: Path) -> None:
    """With a path, the file is searched there and in the directories above."""
    (tmp_path / ".env").write_text("CLAUSE_A=one\n# a note\nCLAUSE_B='two words'\n")
    deep = tmp_path / "deep" / "er"
    deep.mkdir(parents=True)
    secret = modal.Secret.from_dotenv(str(deep))
    seen = _seen(scene, secret, "CLAUSE_A", "CLAUSE_B")
    assert seen == {"CLAUSE_A": "one", "CLAUSE_B": "two words"}


@clause("secrets/a-dotenv-key-without-a-value-is-empty", DOTENV, since="1.2.6")
def test_a_dotenv_key_without_a_value_is_empty(scene: Scene, tmp_path: Path) -> None:
    """A line that names a key and nothing more makes an empty value."""
    (tmp_path / ".env").write_text("CLAUSE_A\n")
    secret = modal.Secret.from_dotenv(str(tmp_path))
    assert _seen(scene, secret, "CLAUSE_A") == {"CLAUSE_A": ""}


@clause("secrets/a-dotenv-file-is-found-from-the-working-directory", DOTENV)
def test_a_dotenv_file_is_found_from_the_working_directory(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path the search starts in the working directory, and the name may be another."""
    (tmp_path / ".env-dev").write_text("CLAUSE_A=dev\n")
    monkeypatch.chdir(tmp_path)
    secret = modal.Secret.from_dotenv(filename=".env-dev")
    assert _seen(scene, secret, "CLAUSE_A") == {"CLAUSE_A": "dev"}


@clause("secrets/a-missing-dotenv-file-is-no-error", DOTENV)
def test_a_missing_dotenv_file_is_no_error(scene: Scene, tmp_path: Path) -> None:
    """When no file is found the secret is empty."""
    secret = modal.Secret.from_dotenv(str(tmp_path), filename=scene.unused_name(".env"))
    assert _seen(scene, secret, "CLAUSE_A") == {"CLAUSE_A": None}


@clause("secrets/local-variables-travel", LOCAL)
def test_local_variables_travel(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """`from_local_environ` carries the named variables of this process, and no others."""
    monkeypatch.setenv("CLAUSE_A", "local")
    monkeypatch.setenv("CLAUSE_B", "stays")
    secret = modal.Secret.from_local_environ(["CLAUSE_A"])
    assert _seen(scene, secret, "CLAUSE_A", "CLAUSE_B") == {"CLAUSE_A": "local", "CLAUSE_B": None}


@clause("secrets/a-missing-local-variable-is-refused", LOCAL)
def test_a_missing_local_variable_is_refused() -> None:
    """A variable that is not set here is refused by name."""
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.Secret.from_local_environ(["CLAUSE_NOT_SET"])
    assert str(refusal.value) == (
        "Could not find local environment variable 'CLAUSE_NOT_SET' for Secret.from_local_environ"
    )


@clause("secrets/nothing-is-local-in-a-container", LOCAL)
def test_nothing_is_local_in_a_container(scene: Scene) -> None:
    """In a container `from_local_environ` makes an empty secret, whatever it is asked for."""
    container = scene.container()
    text = container.run(bodies.secret_from_local_environ, ["CLAUSE_NOT_SET"])
    assert "CLAUSE_NOT_SET" not in text

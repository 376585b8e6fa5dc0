"""What `modal dict` prints and does; its output is no terminal."""

import json

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred
from modal_contracts.scene import Scene
from modal_contracts.shell import Done

__all__ = ()

GUIDE = documented("cli/latest/dict")


def _fine(done: Done) -> str:
    assert done.code == 0, done.error
    return done.printed.decode()


@clause("dicts/the-command-creates-lists-and-deletes", GUIDE)
def test_the_command_creates_lists_and_deletes(scene: Scene) -> None:
    """`create` makes a Dict or leaves it, `list` shows it, and `delete` ends it."""
    name = scene.unused_name()
    _fine(scene.command("dict", "create", name))
    modal.Dict.from_name(name)["key"] = 1
    _fine(scene.command("dict", "create", name))
    assert modal.Dict.from_name(name).len() == 1
    assert name in _fine(scene.command("dict", "list"))
    _fine(scene.command("dict", "delete", name, "--yes"))
    with pytest.raises(modal.exception.NotFoundError):
        modal.Dict.from_name(name).hydrate()


@clause("dicts/the-command-shows-entries", GUIDE)
def test_the_command_shows_entries(scene: Scene) -> None:
    """`get` prints the value of a key of text, `items` prints entries, and `clear` removes them."""
    name = scene.unused_name()
    entries = modal.Dict.from_name(name, create_if_missing=True)
    entries.update({"key": "the value", "other": [1, 2]})
    assert _fine(scene.command("dict", "get", name, "key")).strip() == "the value"
    rows = json.loads(_fine(scene.command("dict", "items", name, "--json")))
    assert ["key", "the value"] in [list(row.values()) for row in rows]
    assert "[1, 2]" in _fine(scene.command("dict", "items", name))
    _fine(scene.command("dict", "clear", name, "--yes"))
    assert entries.len() == 0


@clause("dicts/the-command-misses-a-dict", inferred("modal/cli/dict.py", "get"))
def test_the_command_misses_a_dict(scene: Scene) -> None:
    """Asking for an entry of a Dict that is not there fails, naming it."""
    name = scene.unused_name()
    done = scene.command("dict", "get", name, "key")
    assert done.code != 0
    assert name in done.error

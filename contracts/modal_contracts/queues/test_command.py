"""What `modal queue` prints and does; its output is no terminal."""

import json

import modal
import pytest

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, inferred
from modal_contracts.scene import Scene
from modal_contracts.shell import Done

__all__ = ()

GUIDE = documented("cli/latest/queue")


def _fine(done: Done) -> str:
    assert done.code == 0, done.error
    return done.printed.decode()


@clause("queues/the-command-creates-lists-and-deletes", GUIDE)
def test_the_command_creates_lists_and_deletes(scene: Scene) -> None:
    """`create` makes a Queue or leaves it, `list` shows it, and `delete` ends it."""
    name = scene.unused_name()
    _fine(scene.command("queue", "create", name))
    modal.Queue.from_name(name).put(1)
    _fine(scene.command("queue", "create", name))
    assert modal.Queue.from_name(name).len() == 1
    assert name in _fine(scene.command("queue", "list"))
    _fine(scene.command("queue", "delete", name, "--yes"))
    with pytest.raises(modal.exception.NotFoundError):
        modal.Queue.from_name(name).hydrate()


@clause("queues/the-command-lists-sizes", inferred("modal/cli/queues.py", "list_"))
def test_the_command_lists_sizes(scene: Scene) -> None:
    """`list --json` tells of each Queue how many partitions hold something and how much in all."""
    name = scene.unused_name()
    line = modal.Queue.from_name(name, create_if_missing=True)
    line.put_many([1, 2])
    line.put(3, partition="a")
    rows = json.loads(_fine(scene.command("queue", "list", "--json")))
    (row,) = [row for row in rows if name in row.values()]
    told = {key.lower().replace(" ", "_"): str(value) for key, value in row.items()}
    assert (told["partitions"], told["total_size"]) == ("2", "3")


@clause("queues/the-command-looks-and-counts", GUIDE)
def test_the_command_looks_and_counts(scene: Scene) -> None:
    """`peek` prints the next items and takes none, `len` counts, and `clear` empties."""
    name = scene.unused_name()
    line = modal.Queue.from_name(name, create_if_missing=True)
    line.put_many(["first", "second", "third"])
    line.put("apart", partition="a")
    assert _fine(scene.command("queue", "peek", name, "2")).split() == ["first", "second"]
    assert _fine(scene.command("queue", "peek", name, "--partition", "a")).split() == ["apart"]
    assert _fine(scene.command("queue", "len", name)).split() == ["3"]
    assert _fine(scene.command("queue", "len", name, "--total")).split() == ["4"]
    _fine(scene.command("queue", "clear", name, "--yes"))
    assert (line.len(), line.len(total=True)) == (0, 1)
    _fine(scene.command("queue", "clear", name, "--all", "--yes"))
    assert line.len(total=True) == 0

"""What `modal volume` prints and does; its output is no terminal."""

import json
from pathlib import Path

import pytest

from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import documented, inferred, observed
from modal_contracts.scene import Scene, content, paths, upload
from modal_contracts.shell import Done

__all__ = ()

GUIDE = documented("cli/latest/volume")
NEW_FORM = "1.5.0"
"""From here on JSON has raw numbers and keys in lower case."""

BINARY = bytes(range(256)) * 5000


def _fine(done: Done) -> list[str]:
    assert done.code == 0, done.error
    return done.lines


@clause("volumes/the-command-creates-and-lists", inferred("modal/cli/volume.py", "create"))
def test_the_command_creates_and_lists(scene: Scene) -> None:
    """`create` says what it made and how to use it, and `list` shows it; a name is made once."""
    name = scene.unused_name()
    lines = _fine(scene.command("volume", "create", name))
    assert lines[0].strip() == f"Created Volume '{name}' in environment '{scene.environment}'."
    assert any(f'Volume.from_name("{name}")' in line for line in lines)
    assert any(name in line for line in _fine(scene.command("volume", "list")))
    assert scene.command("volume", "create", name).code == 1


@clause(
    "volumes/the-command-lists-as-json", inferred("modal/cli/volume.py", "list_"), since=NEW_FORM
)
def test_the_command_lists_as_json(scene: Scene) -> None:
    """`list --json` gives name, time and maker of each volume."""
    volume = scene.volume()
    rows = json.loads(scene.command("volume", "list", "--json").printed)
    (row,) = [row for row in rows if row["name"] == scene.name_of(volume)]
    assert set(row) == {"name", "created_at", "created_by"}


@clause("volumes/the-command-lists-bare-paths", inferred("modal/cli/volume.py", "ls"))
def test_the_command_lists_bare_paths(scene: Scene) -> None:
    """`ls` into a pipe prints one path per line, of one directory, from the volume's top."""
    volume = scene.volume(a="1")
    upload(volume, {"deep/b.txt": b"2", "deep/er/c.txt": b"3"})
    name = scene.name_of(volume)
    assert sorted(_fine(scene.command("volume", "ls", name))) == ["a.txt", "deep"]
    lines = _fine(scene.command("volume", "ls", name, "deep"))
    assert sorted(lines) == ["deep/b.txt", "deep/er"]
    missing = scene.command("volume", "ls", name, "missing")
    assert missing.code != 0


@clause(
    "volumes/the-command-lists-files-as-json", inferred("modal/cli/volume.py", "ls"), since=NEW_FORM
)
def test_the_command_lists_files_as_json(scene: Scene) -> None:
    """`ls --json` gives type, time and size in bytes of each entry, names beyond ASCII escaped."""
    volume = scene.volume()
    upload(volume, {"deep/b.txt": b"2", "ü.txt": b"1234567"})
    rows = json.loads(scene.command("volume", "ls", scene.name_of(volume), "--json").printed)
    found = {row["filename"]: (row["type"], row["size"]) for row in rows}
    assert found["\\xfc.txt"] == ("file", 7)
    assert found["deep"][0] == "dir"
    assert all(set(row) == {"filename", "type", "created_modified", "size"} for row in rows)


@both_versions
@clause("volumes/the-command-puts-and-gets-a-file", GUIDE)
def test_the_command_puts_and_gets_a_file(scene: Scene, version: int, tmp_path: Path) -> None:
    """`put` and `get` carry a file byte for byte; a slash at the end names a directory."""
    volume = scene.volume(version)
    name = scene.name_of(volume)
    (tmp_path / "a.bin").write_bytes(BINARY)
    lines = _fine(scene.command("volume", "put", name, "a.bin", directory=tmp_path))
    assert lines[-1].endswith("Uploaded file 'a.bin' to '/a.bin'")
    _fine(scene.command("volume", "put", name, "a.bin", "deep/", directory=tmp_path))
    assert paths(volume) == ["a.bin", "deep", "deep/a.bin"]
    lines = _fine(scene.command("volume", "get", name, "deep/a.bin", "b.bin", directory=tmp_path))
    assert lines[-1].endswith("Finished downloading files to local!")
    assert (tmp_path / "b.bin").read_bytes() == BINARY


@clause("volumes/the-command-overwrites-by-force-only", inferred("modal/cli/volume.py", "put"))
def test_the_command_overwrites_by_force_only(scene: Scene, tmp_path: Path) -> None:
    """`put` refuses a file that is there in the volume, `get` one that is here; unless forced."""
    volume = scene.volume(a="old")
    name = scene.name_of(volume)
    (tmp_path / "a.txt").write_text("new")
    refused = scene.command("volume", "put", name, "a.txt", directory=tmp_path)
    assert refused.code != 0
    assert content(volume, "a.txt") == b"old"
    refused = scene.command("volume", "get", name, "a.txt", directory=tmp_path)
    assert refused.code != 0
    text = "Output path 'a.txt' already exists. Use --force to overwrite the output directory"
    assert text in refused.error
    _fine(scene.command("volume", "get", name, "a.txt", "--force", directory=tmp_path))
    assert (tmp_path / "a.txt").read_text() == "old"
    (tmp_path / "a.txt").write_text("new")
    _fine(scene.command("volume", "put", name, "a.txt", "--force", directory=tmp_path))
    assert content(volume, "a.txt") == b"new"


@clause("volumes/the-command-streams-a-file", GUIDE)
def test_the_command_streams_a_file(scene: Scene) -> None:
    """`get` to `-` writes the bytes of the file to the standard output."""
    volume = scene.volume()
    upload(volume, {"a.bin": BINARY})
    done = scene.command("volume", "get", scene.name_of(volume), "a.bin", "-")
    assert done.code == 0, done.error
    assert done.printed.startswith(BINARY)


@clause("volumes/the-command-takes-no-globs", inferred("modal/cli/volume.py", "put"))
def test_the_command_takes_no_globs(scene: Scene) -> None:
    """`put` of a pattern is refused in these words."""
    refused = scene.command("volume", "put", scene.name_of(scene.volume()), "*.txt")
    assert refused.code != 0
    assert "Glob uploads are currently not supported" in refused.error


@both_versions
@clause("volumes/the-command-carries-directories", GUIDE)
def test_the_command_carries_directories(scene: Scene, version: int, tmp_path: Path) -> None:
    """`put` of a directory and `get` of it into an existing one give the same files again."""
    files = {f"{number % 7}/{number}.txt": f"text {number}" for number in range(40)}
    for path, text in files.items():
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).write_text(text)
    name = scene.name_of(scene.volume(version))
    lines = _fine(scene.command("volume", "put", name, "in", "/tree", directory=tmp_path))
    assert lines[-1].endswith("Uploaded directory 'in' to '/tree'")
    (tmp_path / "out").mkdir()
    _fine(scene.command("volume", "get", name, "/tree", "out", directory=tmp_path))
    top = tmp_path / "out" / "tree"
    found = [path for path in top.rglob("*") if path.is_file()]
    assert {str(path.relative_to(top)): path.read_text() for path in found} == files


@clause("volumes/the-command-copies-and-removes", GUIDE, since="1.1.0")
def test_the_command_copies_and_removes(scene: Scene) -> None:
    """`cp` says nothing, `rm` says what it removed; both take directories with `-r`."""
    volume = scene.volume(2, a="1")
    upload(volume, {"deep/b.txt": b"2"})
    name = scene.name_of(volume)
    assert _fine(scene.command("volume", "cp", name, "a.txt", "c.txt")) == []
    assert _fine(scene.command("volume", "cp", "-r", name, "deep", "copy")) == []
    assert paths(volume) == ["a.txt", "c.txt", "copy", "copy/b.txt", "deep", "deep/b.txt"]
    assert scene.command("volume", "rm", name, "deep").code != 0
    lines = _fine(scene.command("volume", "rm", "-r", name, "deep"))
    assert "".join(lines).endswith("deep was deleted successfully!")
    assert scene.command("volume", "rm", name, "deep").code != 0
    assert paths(volume, recursive=False) == ["a.txt", "c.txt", "copy"]


@clause("volumes/the-command-renames-and-deletes", GUIDE)
def test_the_command_renames_and_deletes(scene: Scene) -> None:
    """`rename` and `delete` do so without a question when given `--yes`."""
    old, new = scene.name_of(scene.volume(a="1")), scene.unused_name()
    _fine(scene.command("volume", "rename", old, new, "--yes"))
    assert _fine(scene.command("volume", "ls", new)) == ["a.txt"]
    _fine(scene.command("volume", "delete", new, "--yes"))
    gone = scene.command("volume", "ls", new)
    assert gone.code == 1
    assert f"Volume '{new}' not found in environment '{scene.environment}'" in gone.error


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (
            ["rename", "NAME", "other"],
            "Are you sure you want rename the modal.Volume 'NAME'? "
            "This may break any Apps currently using it. [y/N]",
        ),
        (
            ["delete", "NAME"],
            "Are you sure you want to irrevocably delete the modal.Volume 'NAME'? [y/N]",
        ),
    ],
    ids=["rename", "delete"],
)
@clause("volumes/the-command-asks-first", inferred("modal/cli/volume.py", "delete"))
def test_the_command_asks_first(scene: Scene, words: list[str], question: str) -> None:
    """`rename` and `delete` ask, and do nothing when nobody can answer."""
    volume = scene.volume(a="1")
    name = scene.name_of(volume)
    done = scene.command("volume", *[word.replace("NAME", name) for word in words])
    assert done.code == 1
    assert question.replace("NAME", name) in done.printed.decode()
    assert "Aborted" in done.error
    assert paths(volume) == ["a.txt"]


@clause(
    "volumes/the-command-names-what-is-missing",
    observed("a user's `put` before the first deployment failed in these words"),
)
def test_the_command_names_what_is_missing(scene: Scene, tmp_path: Path) -> None:
    """`put` into a volume that nobody made is refused: the command makes none."""
    (tmp_path / "a.txt").write_text("1")
    name = scene.unused_name()
    refused = scene.command("volume", "put", name, "a.txt", directory=tmp_path)
    assert refused.code == 1
    assert f"Volume '{name}' not found in environment '{scene.environment}'" in refused.error

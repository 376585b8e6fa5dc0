import os
import socket
import stat

import pytest

from modal_emulator.store.layer import (
    Change,
    apply,
    describe,
    find,
    is_removal,
    make_removal,
    names_below,
    read_stack,
)
from modal_emulator.store.tree import Entry, Kind, Tree


@pytest.fixture
def layers(tmp_path):
    """Three layers, the newest first."""
    made = [tmp_path / name for name in ("top", "middle", "bottom")]
    for layer in made:
        layer.mkdir()
    return made


def write(layer, path, data=b""):
    target = layer / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def gone(layer, path):
    (layer / path).parent.mkdir(parents=True, exist_ok=True)
    make_removal(layer / path)


def test_a_removal_is_a_device_that_anyone_may_make(tmp_path):
    make_removal(tmp_path / "x")
    status = (tmp_path / "x").lstat()
    assert is_removal(status)
    assert (stat.S_ISCHR(status.st_mode), status.st_rdev) == (True, 0)
    (tmp_path / "f").touch()
    assert not is_removal((tmp_path / "f").lstat())


def test_the_topmost_file_is_found(layers):
    top, middle, bottom = layers
    write(bottom, "d/a", b"old")
    write(middle, "d/a", b"new")
    write(bottom, "d/b", b"b")
    (top / "d").mkdir()
    assert find(layers, ("d", "a")).read_bytes() == b"new"
    assert find(layers, ("d", "b")).read_bytes() == b"b"
    assert find(layers, ("d",)) == top / "d"
    assert find(layers, ()) == top
    assert find(layers, ("none",)) is None
    assert find(layers, ("d", "none", "deep")) is None
    assert find([], ()) is None


def test_removals_and_files_hide_what_is_below(layers):
    top, middle, bottom = layers
    for name in ("a", "b", "c"):
        write(bottom, f"{name}/x")
    gone(middle, "a")
    write(middle, "b")
    gone(top, "c/x")
    assert find(layers, ("a",)) is None
    assert find(layers, ("a", "x")) is None
    assert find(layers, ("b", "x")) is None
    assert find(layers, ("b",)) == middle / "b"
    assert find(layers, ("c", "x")) is None
    assert names_below(layers, ()) == {"b", "c"}
    assert names_below(layers, ("a",)) == set()
    assert names_below(layers, ("b",)) == set()
    assert names_below(layers, ("c",)) == set()


def test_a_directory_above_a_removal_starts_anew(layers):
    top, middle, bottom = layers
    write(bottom, "d/old")
    gone(middle, "d")
    write(top, "d/new")
    assert names_below(layers, ("d",)) == {"new"}
    assert find(layers, ("d", "old")) is None


def test_symlinks_are_never_followed(layers):
    top, _, bottom = layers
    write(bottom, "d/x")
    (top / "link").symlink_to(bottom / "d")
    assert find(layers, ("link",)) == top / "link"
    assert find(layers, ("link", "x")) is None
    assert names_below(layers, ("link",)) == set()


def test_every_kind_is_described(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "file").chmod(0o4640)
    os.utime(tmp_path / "file", ns=(1, 1_234_567_890_123_456_789))
    (tmp_path / "directory").mkdir(mode=0o711)
    (tmp_path / "link").symlink_to("./a//b")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    make_removal(tmp_path / "removal")
    assert describe(tmp_path / "file") == Entry(Kind.FILE, 5, 1_234_567_890_123_456_789, 0o4640)
    assert describe(tmp_path / "directory").size == 0
    link = describe(tmp_path / "link")
    assert (link.kind, link.target, link.size) == (Kind.SYMLINK, "./a//b", 6)
    assert describe(tmp_path / "fifo").kind is Kind.FIFO
    assert describe(tmp_path / "socket").kind is Kind.SOCKET
    assert describe(tmp_path / "removal") is None


def test_a_stack_is_read_as_the_tree_it_shows(layers):
    top, middle, bottom = layers
    write(bottom, "d/a", b"1")
    write(bottom, "d/b", b"22")
    write(middle, "e")
    gone(top, "d/a")
    os.mknod(top / "f", stat.S_IFCHR | 0o600, os.makedev(0, 0))
    tree = read_stack(layers)
    assert [parts for parts, _ in tree.walk()] == [("d",), ("d", "b"), ("e",)]
    assert tree.get(("d", "b")) == describe(bottom / "d" / "b")
    assert read_stack([]) == Tree()


def test_changes_are_applied_in_order():
    file = Entry(Kind.FILE, 1, 0, 0o644)
    tree = apply(Tree(), [Change(("a",), file), Change(("b",), file)])
    assert [p for p, _ in apply(tree, [Change(("a",), None)]).walk()] == [("b",)]


def test_directories_that_hold_what_changed_are_not_told():
    from modal_emulator.store.layer import telling

    folder, file = Entry(Kind.DIRECTORY, 0, 0, 0o755), Entry(Kind.FILE, 1, 0, 0o644)
    changes = [
        Change((), folder),
        Change(("a",), folder),
        Change(("a", "x"), file),
        Change(("b",), folder),
        Change(("c",), None),
    ]
    told = [change.parts for change in telling(changes)]
    assert told == [("a", "x"), ("b",), ("c",)]
    assert telling([Change((), folder)]) == (Change((), folder),)

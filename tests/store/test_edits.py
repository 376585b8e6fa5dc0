import hashlib
import os
import stat

import pytest

from modal_emulator.ground.errors import AlreadyExists, Conflict, Invalid, NotFound
from modal_emulator.store.history import Committer
from modal_emulator.store.tree import Kind
from modal_emulator.store.volumes import Incoming

API = Committer(via="api")


@pytest.fixture
def volume(store):
    return store.volume()


def put(store, volume, *incoming, overwrite=True):
    return store.volumes.put_files(volume, incoming, overwrite=overwrite, by=API)


def entry(store, volume, path):
    parts = tuple(path.split("/")) if path else ()
    return store.volumes.history(volume).head.tree.get(parts)


# -------------------------------------------------------------------- putting files


def test_files_are_put_with_the_directories_they_need(store, volume):
    version = store.put(volume, a_txt=b"1", d__e__b_bin=b"22", empty=b"")
    assert version.number == 1
    assert store.files(volume) == {"a.txt": b"1", "d/e/b.bin": b"22", "empty": b""}
    assert entry(store, volume, "d/e").is_directory


def test_the_server_gives_time_and_mode(store, volume):
    put(store, volume, store.incoming("a", b"1", 0o100755), store.incoming("b", b"2", 0))
    a, b = entry(store, volume, "a"), entry(store, volume, "b")
    assert (a.mode, b.mode) == (0o755, 0o644)
    assert a.mtime_ns == int(store.clock.at * 1e9)
    path = store.volumes.locate(volume, "a").path
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert path.stat().st_mtime_ns == a.mtime_ns


def test_a_new_name_touches_its_directory_and_a_new_content_does_not(store, volume):
    store.put(volume, d__a=b"1")
    before = entry(store, volume, "d"), entry(store, volume, "")
    store.clock.at += 10
    store.put(volume, d__a=b"2")
    assert (entry(store, volume, "d"), entry(store, volume, "")) == before
    store.put(volume, d__b=b"3")
    assert entry(store, volume, "d").mtime_ns == int(store.clock.at * 1e9)


def test_a_file_that_came_in_pieces_is_not_written_twice(store, volume):
    data = [b"abcd", b"efgh", b"i"]
    pieces = tuple(hashlib.sha256(each).hexdigest() for each in data)
    store.content.expect(pieces, 9, 4)
    for each, sha256 in zip(data, pieces, strict=True):
        receiver = store.content.receive_piece(sha256)
        receiver.write(each)
        receiver.finish()
    put(store, volume, Incoming("f", 9, 0o644, pieces, 4))
    placed = store.volumes.locate(volume, "f").path
    assert placed.read_bytes() == b"abcdefghi"
    assert placed.stat().st_ino == store.content.whole(pieces, 9, 4).stat().st_ino
    put(store, volume, Incoming("part", 8, 0o644, (pieces[2], pieces[1]), 4))
    assert store.volumes.locate(volume, "part").path.read_bytes() == b"i\0\0\0efgh"


def test_pieces_are_put_together_and_padded_with_zeros(store, volume):
    add = store.content.add
    pieces = (add(b"abcd"), add(b""), add(b"x"), add(b"y"))
    put(store, volume, Incoming("f", 15, 0o644, pieces, 4))
    assert store.read(volume, "f") == b"abcd\0\0\0\0x\0\0\0y\0\0"
    put(store, volume, Incoming("zeros", 1 << 30, 0o644, (add(b""),) * 128, 8 << 20))
    located = store.volumes.locate(volume, "zeros")
    assert located.entry.size == 1 << 30
    assert located.path.stat().st_blocks == 0


def test_an_existing_file_is_replaced_only_if_asked(store, volume):
    store.put(volume, a=b"old", d__b=b"1")
    with pytest.raises(AlreadyExists) as caught:
        store.put(volume, overwrite=False, new=b"1", a=b"2")
    assert caught.value.message == "a: already exists (disallow_overwrite_existing_files=True)"
    assert store.files(volume) == {"a": b"old", "d/b": b"1"}
    store.put(volume, a=b"new")
    assert store.files(volume) == {"a": b"new", "d/b": b"1"}
    # A link is a name as any other: what it leads to is left alone.
    checkout = store.volumes.checkout(volume, "ta-1")
    (checkout.changes / "link").symlink_to("a")
    store.commit(checkout)
    store.put(volume, link=b"file")
    assert store.files(volume) == {"a": b"new", "d/b": b"1", "link": b"file"}


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("d", "is a directory and cannot be overwritten"),
        ("/", "is a directory and cannot be overwritten"),
        ("f/x", "'f' is not a directory"),
        ("f/x/y", "'f' is not a directory"),
        ("../x", "is not allowed"),
        ("a\0b", "NUL"),
    ],
)
def test_what_cannot_be_put_there(store, volume, path, why, overwrite):
    store.put(volume, d__x=b"1", f=b"2")
    with pytest.raises(Invalid, match=why):
        put(store, volume, store.incoming(path, b"x"), overwrite=overwrite)
    assert store.volumes.history(volume).head.number == 1


def test_an_upload_cannot_contradict_itself(store, volume):
    with pytest.raises(Invalid, match="a file of the same upload is in its place"):
        store.put(volume, a=b"1", a__b=b"2")
    put(store, volume, store.incoming("x", b"1"), store.incoming("/x", b"22"))
    assert store.files(volume) == {"x": b"22"}  # of one path, the last counts


def test_pieces_must_fit(store, volume):
    there = store.content.add(b"abcd")
    missing = hashlib.sha256(b"missing").hexdigest()
    for incoming, why in [
        (Incoming("f", -1, 0, (), 4), "-1 bytes in pieces of 4"),
        (Incoming("f", 4, 0, (there,), 0), "4 bytes in pieces of 0"),
        (Incoming("f", 5, 0, (there,), 4), "5 bytes do not make 1 pieces"),
        (Incoming("f", 3, 0, (there,), 4), "longer than its piece"),
        (Incoming("f", 6, 0, (there, there), 4), "longer than its piece"),
    ]:
        with pytest.raises(Invalid, match=why):
            put(store, volume, incoming)
    with pytest.raises(Conflict, match="has not been uploaded"):
        put(store, volume, Incoming("f", 4, 0, (missing,), 4))
    assert store.files(volume) == {}


def test_an_empty_upload_is_no_version(store, volume):
    assert put(store, volume).number == 0


# -------------------------------------------------------------------- removing


def remove(store, volume, path, recursive=False):
    return store.volumes.remove(volume, path, recursive=recursive, by=API)


def test_files_and_directories_are_removed(store, volume):
    store.put(volume, a=b"1", d__x=b"2", d__y=b"3")
    store.clock.at += 1
    remove(store, volume, "/d/x")
    assert store.files(volume) == {"a": b"1", "d/y": b"3"}
    assert entry(store, volume, "d").mtime_ns == int(store.clock.at * 1e9)
    remove(store, volume, "a")
    remove(store, volume, "d/", recursive=True)
    assert store.paths(volume) == []


def test_what_cannot_be_removed(store, volume):
    store.put(volume, d__x=b"2")
    with pytest.raises(NotFound, match="No such file or directory: 'none'"):
        remove(store, volume, "none")
    with pytest.raises(NotFound):
        remove(store, volume, "d/x/y", recursive=True)
    with pytest.raises(Invalid, match="'d' is a directory; remove it recursively"):
        remove(store, volume, "d")
    with pytest.raises(Invalid, match="root directory"):
        remove(store, volume, "/", recursive=True)
    assert store.volumes.history(volume).head.number == 1


# -------------------------------------------------------------------- copying


def copy(store, volume, sources, destination, recursive=False):
    return store.volumes.copy(volume, sources, destination, recursive=recursive, by=API)


@pytest.fixture
def full(store, volume):
    store.put(volume, a=b"1", b=b"22", d__x=b"3", d__e__y=b"4")
    checkout = store.volumes.checkout(volume, "ta-1")
    for name, target in (("to_a", "a"), ("to_d", "d"), ("nowhere", "none")):
        (checkout.changes / name).symlink_to(target)
    (checkout.changes / "empty").mkdir()
    os.mkfifo(checkout.changes / "fifo")
    store.commit(checkout)
    store.volumes.release(checkout)
    store.clock.at += 100
    return volume


def test_a_file_is_copied_beside_over_and_into(store, full):
    copy(store, full, ["a"], "new")
    copy(store, full, ["a"], "b")
    copy(store, full, ["a"], "d")
    copy(store, full, ["a"], "to_d/e/")
    files = store.files(full)
    assert [files[p] for p in ("new", "b", "d/a", "d/e/a")] == [b"1"] * 4
    assert entry(store, full, "new").mtime_ns == int(store.clock.at * 1e9)
    assert entry(store, full, "a").mtime_ns < entry(store, full, "new").mtime_ns
    assert entry(store, full, "d").mtime_ns == int(store.clock.at * 1e9)


def test_several_files_are_copied_into_a_directory(store, full):
    copy(store, full, ["a", "/d/x", "b"], "empty")
    assert [p for p in store.paths(full) if p.startswith("empty/")] == [
        "empty/a",
        "empty/b",
        "empty/x",
    ]


def test_links_are_followed_unless_the_copy_is_recursive(store, full):
    copy(store, full, ["to_a"], "file")
    copy(store, full, ["to_a", "fifo"], "empty", recursive=True)
    assert entry(store, full, "file").kind is Kind.FILE
    link = entry(store, full, "empty/to_a")
    assert (link.kind, link.target) == (Kind.SYMLINK, "a")
    assert entry(store, full, "empty/fifo").kind is Kind.FIFO


def test_directories_are_copied_with_all_in_them(store, full):
    copy(store, full, ["d"], "new", recursive=True)
    copy(store, full, ["d"], "empty", recursive=True)
    copy(store, full, ["d/e"], "new", recursive=True)  # over the one that is there
    files = store.files(full)
    assert {p: files[p] for p in files if p.startswith(("new", "empty"))} == {
        "new/x": b"3",
        "new/e/y": b"4",
        "empty/d/x": b"3",
        "empty/d/e/y": b"4",
    }


@pytest.mark.parametrize(
    ("sources", "destination", "recursive", "error", "why"),
    [
        ([], "x", False, Invalid, "nothing to copy"),
        (["none"], "x", False, NotFound, "No such file or directory: 'none'"),
        (["nowhere"], "x", False, NotFound, "No such file or directory: 'nowhere'"),
        (["a", "b"], "new", False, NotFound, "'new' is not a directory"),
        (["a", "b"], "fifo", False, NotFound, "'fifo' is not a directory"),
        (["a"], "new/", False, NotFound, "'new/' is not a directory"),
        (["a"], "none/new", False, NotFound, "No such file or directory: 'none'"),
        (["a"], "b/new", False, NotFound, "No such file or directory: 'b'"),
        (["d"], "new", False, Invalid, "'d' is a directory; copy it recursively"),
        (["to_d"], "new", False, Invalid, "'d' is a directory; copy it recursively"),
        (["a"], "a", False, Invalid, "are the same file"),
        (["a"], "/", False, Invalid, "are the same file"),
        (["d"], "d", True, Invalid, "into itself"),
        (["d"], "d/e", True, Invalid, "into itself"),
        (["/"], "new", True, Invalid, "into itself"),
        (["d"], "a", True, Invalid, "not of one kind"),
        (["d/x", "d/x"], "empty", False, Invalid, "written twice"),
        (["a"], "../out", False, Invalid, "is not allowed"),
    ],
)
def test_what_cannot_be_copied(store, full, sources, destination, recursive, error, why):
    before = store.volumes.history(full).head
    with pytest.raises(error, match=why):
        copy(store, full, sources, destination, recursive)
    assert store.volumes.history(full).head is before


def test_a_file_deep_in_a_copied_directory_cannot_replace_a_directory(store, full):
    store.put(full, new__d__x__deep=b"1")
    with pytest.raises(Invalid, match="not of one kind"):
        copy(store, full, ["d"], "new", recursive=True)


# -------------------------------------------------------------------- in three steps


def test_a_put_can_be_written_elsewhere(store, volume):
    writing = store.volumes.begin_put(volume, [store.incoming("a", b"1")], overwrite=False)
    written = writing.write()
    assert store.files(volume) == {}
    store.volumes.finish(writing, written, API)
    assert store.files(volume) == {"a": b"1"}


def test_what_others_did_meanwhile_counts(store, volume):
    store.put(volume, a=b"1")
    writing = store.volumes.begin_put(volume, [store.incoming("d/b", b"2")], overwrite=False)
    written = writing.write()
    store.put(volume, c=b"3")
    store.volumes.finish(writing, written, API)
    assert store.files(volume) == {"a": b"1", "c": b"3", "d/b": b"2"}
    late = store.volumes.begin_put(volume, [store.incoming("n", b"2")], overwrite=False)
    written = late.write()
    store.put(volume, n=b"first")
    with pytest.raises(AlreadyExists):
        store.volumes.finish(late, written, API)
    assert store.files(volume)["n"] == b"first"


def test_what_is_copied_is_held_until_it_is_copied(store, volume):
    store.put(volume, a=b"old")
    copying = store.volumes.begin_copy(volume, ["a"], "b", recursive=False)
    store.put(volume, a=b"new")
    store.volumes.finish(copying, copying.write(), API)
    assert store.files(volume) == {"a": b"new", "b": b"old"}
    late = store.volumes.begin_copy(volume, ["a"], "c", recursive=False)
    remove(store, volume, "a")
    with pytest.raises(NotFound):
        store.volumes.finish(late, late.write(), API)
    assert store.files(volume) == {"b": b"old"}


def test_a_volume_deleted_meanwhile_takes_nothing_and_keeps_nothing(store, volume):
    writing = store.volumes.begin_put(volume, [store.incoming("a", b"1")], overwrite=False)
    written = writing.write()
    store.volumes.delete(volume)
    with pytest.raises(NotFound, match="No Volume with ID"):
        store.volumes.finish(writing, written, API)
    assert not (store.directory / "volumes" / volume).exists()


def test_a_failed_write_leaves_nothing(store, volume, monkeypatch):
    store.put(volume, a=b"1")
    incoming = store.incoming("b", b"2")
    real = type(store.content).path

    def broken(content, digest):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(store.content), "path", broken)
    monkeypatch.setattr(type(store.content), "size", lambda content, digest: 1)
    with pytest.raises(OSError, match="No space left"):
        put(store, volume, incoming)
    monkeypatch.setattr(type(store.content), "path", real)
    assert store.files(volume) == {"a": b"1"}
    assert [p.name for p in (store.directory / "volumes" / volume).iterdir()] == ["l1"]

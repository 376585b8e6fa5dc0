import pytest

from modal_emulator.store.copying import make
from modal_emulator.store.drafts import Draft
from modal_emulator.store.layer import Change, apply, read_stack
from modal_emulator.store.settling import prune, settle
from modal_emulator.store.tree import Entry, Kind, Tree

FILE, BIG = Entry(Kind.FILE, 1, 5, 0o644), Entry(Kind.FILE, 99, 6, 0o644)
FOLDER, TOUCHED = Entry(Kind.DIRECTORY, 0, 5, 0o755), Entry(Kind.DIRECTORY, 0, 9, 0o700)


def tree(**entries):
    """In the names, an underscore stands for a slash; parents first."""
    made = Tree()
    for name, entry in entries.items():
        made = made.put(tuple(name.split("_")), entry)
    return made


def change(path, entry):
    return Change(tuple(path.split("/")) if path else (), entry)


def settled(seen, head, **changes):
    found = settle([change(p.replace("_", "/"), e) for p, e in changes.items()], seen, head)
    return {"/".join(c.parts): c.entry for c in found}


BASE = tree(d=FOLDER, d_a=FILE, d_b=FILE, x=FILE)


def test_on_what_was_seen_everything_counts():
    assert settled(BASE, BASE, d=TOUCHED, d_a=None, d_c=FILE, x=BIG) == {
        "d": TOUCHED,
        "d/a": None,
        "d/c": FILE,
        "x": BIG,
    }


def test_what_is_gone_already_is_not_removed_again():
    assert settled(BASE, BASE.remove(("x",)).remove(("d",)), x=None, d_a=None) == {}


def test_the_last_writer_brings_a_removed_file_back():
    assert settled(BASE, BASE.remove(("x",)), x=BIG) == {"x": BIG}


def test_a_removal_wins_over_what_another_wrote():
    assert settled(BASE, BASE.put(("x",), BIG), x=None) == {"x": None}
    assert settled(BASE, BASE.put(("d", "new"), BIG), d=None) == {"d": None}


def test_a_touched_directory_does_not_come_back_by_itself():
    head = BASE.remove(("d",))
    assert settled(BASE, head, d=TOUCHED, d_a=None) == {}
    assert settled(BASE, head.put(("d",), FILE), d=TOUCHED, d_a=None) == {}


def test_a_touched_directory_comes_back_with_a_file_in_it():
    head = BASE.remove(("d",))
    assert settled(BASE, head, d=TOUCHED, d_c=FILE) == {"d": TOUCHED, "d/c": FILE}


def test_an_untouched_directory_comes_back_as_it_was_for_a_changed_file():
    head = BASE.remove(("d",))
    assert settled(BASE, head, d_a=BIG) == {"d": FOLDER, "d/a": BIG}
    assert settled(BASE, BASE.put(("d",), FILE), d_a=BIG) == {"d": FOLDER, "d/a": BIG}


def test_a_new_directory_counts_whatever_others_did():
    assert settled(BASE, BASE.put(("n",), FILE), n=FOLDER) == {"n": FOLDER}
    assert settled(BASE, BASE, n=FOLDER, n_f=FILE) == {"n": FOLDER, "n/f": FILE}


def test_the_root_is_always_there():
    found = settle([change("", TOUCHED)], BASE, Tree())
    assert found == (Change((), TOUCHED),)


@pytest.fixture
def draft(tmp_path):
    return Draft(tmp_path, BASE)


def write(draft, path, entry):
    parts = tuple(path.split("/"))
    if not entry.is_directory:
        draft.room(parts).write_bytes(b"x" * entry.size)
    draft.note(parts, entry)


def test_a_layer_is_made_to_hold_what_still_counts(draft, tmp_path):
    write(draft, "d", TOUCHED)
    write(draft, "new/deep", FOLDER)
    write(draft, "new/deep/file", FILE)
    draft.remove(("d", "a"))
    draft.remove(("x",))
    written = draft.finish()
    head = BASE.remove(("d",))
    kept = settle(written.changes, BASE, head)
    made = apply(head, kept)
    prune(tmp_path, written.directories, written.changes, kept, made)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "x"]
    assert (tmp_path / "new" / "deep").stat().st_mtime_ns == FOLDER.mtime_ns
    assert read_stack([tmp_path]).get(("new", "deep")) == FOLDER


def test_directories_on_the_way_get_what_others_gave_them(draft, tmp_path):
    write(draft, "d/c", FILE)
    written = draft.finish()
    assert (tmp_path / "d").stat().st_mtime_ns == FOLDER.mtime_ns
    head = BASE.put(("d",), TOUCHED)
    kept = settle(written.changes, BASE, head)
    prune(tmp_path, written.directories, written.changes, kept, apply(head, kept))
    assert read_stack([tmp_path]).get(("d",)) == TOUCHED


def test_a_draft_notes_touches_and_drops(draft, tmp_path):
    draft.touch(("d",), 77)
    draft.touch(("n", "m"), 78)
    draft.touch(("x",), 79)  # a file gives way to a directory
    make(draft.room(("d", "p")), Entry(Kind.FIFO, 0, 0, 0o600))
    assert len(draft) == 3
    written = draft.finish()
    assert [(c.parts, c.entry.mtime_ns) for c in written.changes] == [
        (("d",), 77),
        (("n", "m"), 78),
        (("x",), 79),
    ]
    assert written.directories == ((), ("d",), ("n",), ("n", "m"), ("x",))
    written.drop()
    written.drop()
    assert not tmp_path.exists()

"""Old versions: which are kept, what they show, and what is different between them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.store.editions import compare
from modal_emulator.store.layer import Change, apply
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.tree import Entry, Kind, Tree


def shown(store, volume, number=None):
    """Return the files of a version, read from disk."""
    edition = store.volumes.edition(volume, number)
    try:
        return {
            path: edition.locate(path).path.read_bytes()
            for path, entry in edition.entries("/", recursive=True)
            if entry.kind is Kind.FILE
        }
    finally:
        edition.close()


def on_disk(store, volume):
    return sorted(path.name for path in (store.directory / "volumes" / volume).iterdir())


def kept(store, volume):
    history = store.volumes.history(volume)
    return {name for layers in (history.head.layers, *history.kept.values()) for name in layers}


@pytest.fixture(params=["open", "restarted"])
def after(request):
    """Look at once, or after a restart."""
    return (lambda store: store.reopen()) if request.param == "restarted" else (lambda store: None)


def test_every_version_can_be_opened(make_store, after):
    store = make_store(limits=VolumeLimits(layers=3))
    volume = store.volume()
    expected = [{}]
    for number in range(1, 12):
        name = f"d{number % 3}__f{number % 2}"
        store.put(volume, **{name: bytes([number])})
        expected.append({**expected[-1], name.replace("__", "/"): bytes([number])})
    after(store)
    assert store.volumes.history(volume).openable == range(1, 12)
    assert [shown(store, volume, number) for number in range(12)] == expected
    assert shown(store, volume) == expected[-1]
    assert set(on_disk(store, volume)) == kept(store, volume)


def test_the_newest_few_are_kept(make_store, after):
    store = make_store(limits=VolumeLimits(layers=3, versions_kept=3))
    volume = store.volume()
    for number in range(1, 10):
        store.put(volume, a=bytes([number]))
        assert set(on_disk(store, volume)) == kept(store, volume)
        assert len(store.volumes.history(volume).openable) == min(number, 3)
        # Whoever opens the directory next may keep all: no row may name what is gone.
        rows = [int(key) for key, _ in store.ledger.all(f"volume.kept:{volume}")]
        assert rows == list(range(max(1, number - 2), number))
    after(store)
    assert [shown(store, volume, n)["a"] for n in (7, 8, 9)] == [b"\7", b"\10", b"\11"]
    assert shown(store, volume, 0) == {}
    for number, text in [
        (6, "version 6 of Volume 'data' is not kept any more; kept are 7 to 9"),
        (10, "Volume 'data' has no version 10; the newest is 9"),
        (-1, "Volume 'data' has no version -1; the newest is 9"),
    ]:
        with pytest.raises(NotFound) as caught:
            store.volumes.edition(volume, number)
        assert caught.value.message == text
    assert len(store.volumes.history(volume).versions) == 9
    assert len(store.volumes.changed(volume, 1)) == 2


def test_a_restart_with_another_number_keeps_that_many(make_store):
    store = make_store(limits=VolumeLimits())
    volume, other = store.volume(), store.volume("other")
    for number in range(5):
        store.put(volume, a=bytes([number]))
    store.put(other, b=b"1")
    store.limits = VolumeLimits(versions_kept=2)
    store.reopen()
    assert store.volumes.history(volume).openable == range(4, 6)
    assert set(on_disk(store, volume)) == kept(store, volume)
    assert store.volumes.history(other).openable == range(1, 2)
    store.limits = VolumeLimits(versions_kept=1)
    store.reopen()
    with pytest.raises(
        NotFound, match="version 4 of Volume 'data' is not kept any more; kept is 5"
    ):
        store.volumes.edition(volume, 4)
    assert store.files(volume) == {"a": b"\4"}


def test_an_old_ledger_keeps_the_newest_only(make_store):
    """One that was written before versions were kept has no rows for them and tells no base."""
    from modal_emulator.store.packing import pack, unpack

    store = make_store(limits=VolumeLimits(versions_kept=1))
    volume = store.volume()
    for number in range(3):
        store.put(volume, a=bytes([number]))
    kind = f"volume.version:{volume}"
    for key, value in list(store.ledger.all(kind)):
        store.ledger.put(kind, key, pack(unpack(value)[:3]))
    store.limits = VolumeLimits()
    store.reopen()
    assert store.volumes.history(volume).openable == range(3, 4)
    assert [record.base for record in store.volumes.history(volume).versions] == [0, 1, 2]
    store.put(volume, a=b"new")
    assert store.volumes.history(volume).openable == range(3, 5)
    assert shown(store, volume, 3) == {"a": b"\2"}


def test_records_tell_the_base(store):
    volume = store.volume()
    store.put(volume, a=b"1")
    box = store.volumes.checkout(volume, "ta-1")
    store.put(volume, b=b"1")
    (box.changes / "c").write_text("1")
    store.commit(box)
    (box.changes / "d").write_text("1")
    store.commit(box)
    assert [(r.number, r.base) for r in store.volumes.history(volume).versions] == [
        (1, 0),
        (2, 1),
        (3, 1),
        (4, 1),
    ]
    assert store.volumes.history(volume).versions[-1].by.container_id == "ta-1"


def test_an_open_edition_outlives_policy_and_volume(make_store):
    store = make_store(on_disk=False, limits=VolumeLimits(versions_kept=1))
    volume = store.volume()
    store.put(volume, a=b"1")
    edition = store.volumes.edition(volume)
    other = store.volumes.edition(volume, 1)
    store.put(volume, a=b"2")
    with pytest.raises(NotFound):
        store.volumes.edition(volume, 1)
    assert edition.locate("a").path.read_bytes() == b"1"
    store.volumes.delete(volume)
    edition.close()
    assert other.locate("a").path.read_bytes() == b"1"
    other.close()
    assert not (store.directory / "volumes" / volume).exists()


def test_a_live_view_keeps_the_layers_that_policy_drops(make_store):
    store = make_store(on_disk=False, limits=VolumeLimits(layers=2, versions_kept=2))
    volume = store.volume()
    store.put(volume, a=b"1")
    box = store.volumes.checkout(volume, "ta")
    for number in range(6):
        store.put(volume, b=bytes([number]))
    assert (box.layers[0] / "a").read_bytes() == b"1"
    before = set(on_disk(store, volume))
    store.volumes.release(box)
    assert set(on_disk(store, volume)) == kept(store, volume) < before


def test_a_failed_commit_keeps_what_was_kept(make_store, monkeypatch):
    store = make_store(on_disk=False, limits=VolumeLimits(versions_kept=2))
    volume = store.volume()
    for number in range(3):
        store.put(volume, a=bytes([number]))
    before = store.volumes.history(volume)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(store.ledger, "put", full)
        store.put(volume, a=b"9")
    assert store.volumes.history(volume) is before
    assert shown(store, volume, 2) == {"a": b"\1"}
    assert set(on_disk(store, volume)) == kept(store, volume)


def test_a_deleted_volume_leaves_nothing(make_store):
    store = make_store(limits=VolumeLimits())
    volume = store.volume()
    store.put(volume, a=b"1")
    store.put(volume, a=b"2")
    store.volumes.delete(volume)
    assert not list(store.ledger.all(f"volume.kept:{volume}"))
    assert not (store.directory / "volumes" / volume).exists()


def test_editions_list_and_find_files(store):
    volume = store.volume()
    store.put(volume, d__a_txt=b"1")
    edition = store.volumes.edition(volume)
    assert [path for path, _ in edition.entries("", recursive=False)] == ["d"]
    assert [path for path, _ in edition.entries("d/a.txt", recursive=False)] == ["d/a.txt"]
    with pytest.raises(NotFound, match="No such file or directory: 'x'"):
        edition.entries("x", recursive=True)
    with pytest.raises(NotFound, match="No such file or directory: 'x'"):
        edition.locate("x")
    with pytest.raises(Invalid, match="'d' is not a regular file"):
        edition.locate("d")
    edition.close()


def test_old_trees_are_replayed_from_a_whole_one(make_store, monkeypatch):
    """Versions before and after the whole tree that the ledger holds are both found."""
    from modal_emulator.store import archive

    monkeypatch.setattr(archive, "_SLACK", 20)
    store = make_store(limits=VolumeLimits(versions_kept=30))
    volume = store.volume()
    for number in range(1, 51):
        store.put(volume, **{f"f{number % 5}": bytes([number])})
    assert int.from_bytes(store.ledger.get("volume.snapshot", volume)[:8], "big") > 21
    store.reopen()
    for number in (50, 49, 21, 35):
        assert max(shown(store, volume, number).values()) == bytes([number])
    store.limits = VolumeLimits(versions_kept=2)
    store.reopen()
    assert max(shown(store, volume, 49).values()) == bytes([49])


# -------------------------------------------------------------------- differences

NAMES = st.sampled_from("abc")
ENTRIES = st.builds(
    Entry,
    st.sampled_from([Kind.FILE, Kind.DIRECTORY]),
    st.integers(0, 1),
    st.integers(0, 1),
    st.sampled_from([0o644, 0o755]),
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
CHANGES = st.lists(st.builds(Change, PATHS, st.none() | ENTRIES), max_size=12)


@given(CHANGES, CHANGES)
def test_differences_lead_from_one_tree_to_the_other(first, then):
    old = apply(Tree(), first)
    new = apply(old, then)
    model = {
        parts: (dict(old.walk()).get(parts), dict(new.walk()).get(parts))
        for parts in {*dict(old.walk()), *dict(new.walk())}
    }
    found = list(old.differences(new))
    assert {p: (a, b) for p, a, b in found} == {p: m for p, m in model.items() if m[0] != m[1]}
    assert [parts for parts, _, _ in found] == sorted(parts for parts, _, _ in found)
    replayed = apply(old, [Change(parts, entry) for parts, _, entry in found])
    assert dict(replayed.walk()) == dict(new.walk())
    back = apply(new, [Change(parts, entry) for parts, entry, _ in found])
    assert dict(back.walk()) == dict(old.walk())


def test_what_is_shared_is_skipped(monkeypatch):
    from modal_emulator.store import tree as room

    file = Entry(Kind.FILE, 1, 0, 0o644)
    tree = Tree()
    for folder in range(20):
        for number in range(20):
            tree = tree.put((f"d{folder}", f"f{number}"), file)
    looked = []
    real = room._names
    monkeypatch.setattr(room, "_names", lambda node: looked.append(node) or real(node))
    newer = tree.put(("d7", "f3"), Entry(Kind.FILE, 2, 0, 0o644))
    assert [parts for parts, _, _ in tree.differences(newer)] == [("d7", "f3")]
    assert len(looked) == 6  # the root, one directory and one file, of both


def test_deep_trees_are_compared():
    deep = ("d",) * 3000
    new = Tree().put(deep, Entry(Kind.FILE, 1, 0, 0o644))
    assert [len(parts) for parts, _, _ in Tree().differences(new)] == list(range(1, 3001))


def test_kinds_of_differences():
    file = Entry(Kind.FILE, 1, 0, 0o644)
    longer = Entry(Kind.FILE, 2, 0, 0o644)
    touched = Entry(Kind.DIRECTORY, 0, 5, 0o755)
    closed = Entry(Kind.DIRECTORY, 0, 0, 0o700)
    old = Tree().put(("d", "a"), file).put(("d", "b"), file).put(("e", "x"), file)
    new = apply(
        old,
        [
            Change(("d",), touched),
            Change(("d", "a"), longer),
            Change(("d", "b"), None),
            Change(("d", "c"), file),
            Change(("e",), closed),
        ],
    )
    assert [("/".join(d.parts), d.kind) for d in compare(old, new)] == [
        ("d/a", "changed"),
        ("d/b", "removed"),
        ("d/c", "added"),
        ("e", "changed"),
    ]
    assert list(compare(new, new)) == []


def test_trees_of_a_random_life_are_found_again(make_store):
    """Versions read after a restart are those that were there before it."""
    store = make_store(limits=VolumeLimits(layers=3, versions_kept=8))
    volume, chance = store.volume(), random.Random(5)
    seen = {}
    for _ in range(40):
        if chance.random() < 0.3 and store.paths(volume):
            path = chance.choice(store.paths(volume))
            by = store.volumes.history(volume).versions[0].by
            version = store.volumes.remove(volume, path, recursive=True, by=by)
        else:
            name = "__".join(chance.choices("abc", k=2)) + "__f"
            version = store.put(volume, **{name: bytes([chance.randrange(256)])})
        seen[version.number] = (dict(version.tree.walk()), shown(store, volume))
        if chance.random() < 0.2:
            store.reopen()
        for number in store.volumes.history(volume).openable:
            edition = store.volumes.edition(volume, number)
            assert (dict(edition.tree.walk()), shown(store, volume, number)) == seen[number]
            edition.close()
        assert set(on_disk(store, volume)) == kept(store, volume)

import os

import pytest

from modal_emulator.ground.errors import AlreadyExists, Conflict, DataLoss, Invalid, NotFound
from modal_emulator.store.archive import Archive
from modal_emulator.store.births import Births
from modal_emulator.store.history import Committer
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.line import Line
from modal_emulator.store.names import Creation
from modal_emulator.store.shelf import Shelf
from modal_emulator.store.tree import Kind
from store.overlay import Overlay

API = Committer(via="api")


@pytest.fixture
def volume(store):
    return store.volume()


class Container:
    """Holds a checkout and writes through it."""

    def __init__(self, store, volume, name="ta-1"):
        self.store = store
        self.checkout = store.volumes.checkout(volume, name)
        self.mount = Overlay(self.checkout)

    def write(self, **files):
        for name, data in files.items():
            self.mount.write(name.replace("__", "/"), data)
        return self

    def commit(self, via="commit"):
        return self.store.commit(self.checkout, via)

    def reload(self):
        self.commit("reload")
        self.checkout = self.store.volumes.advance(self.checkout)
        self.mount = Overlay(self.checkout)
        return self

    @property
    def files(self):
        return {"/".join(p): d for p, d in self.mount.view().items() if isinstance(d, bytes)}


@pytest.fixture
def container(store, volume):
    return lambda name="ta-1": Container(store, volume, name)


def on_disk(store, volume):
    return sorted(p.name for p in (store.directory / "volumes" / volume).iterdir())


# -------------------------------------------------------------------- which there are


def test_a_volume_is_made_and_found(store, volume):
    found = store.volumes.get(volume)
    assert volume.startswith("vo-")
    assert (found.name, found.environment, found.version, found.created_by) == (
        "data",
        "main",
        1,
        "me",
    )
    assert store.volume(creation=Creation.LOOKUP) == volume
    assert store.paths(volume) == []
    assert store.volumes.history(volume).head.number == 0


def test_the_server_tells_the_version_and_the_client_compares(store):
    two = store.volume("two", version=2)
    assert store.volumes.get(two).version == 2
    assert store.volume("two", version=1) == two
    assert store.volumes.get(two).version == 2
    assert store.volumes.get(store.volume("one", version=0)).version == 1
    with pytest.raises(Invalid, match="VolumeFS version must be either 1 or 2"):
        store.volume("three", version=3)


def test_modals_words(store, volume):
    with pytest.raises(NotFound) as caught:
        store.volume("missing-volume", Creation.LOOKUP)
    assert caught.value.message == "Volume 'missing-volume' not found in environment 'main'"
    with pytest.raises(AlreadyExists) as exists:
        store.volume(creation=Creation.CREATE_FAIL_IF_EXISTS)
    assert exists.value.message == "Volume 'data' already exists in environment 'main'"
    for use in (store.volumes.get, store.volumes.history, store.volumes.delete):
        with pytest.raises(NotFound) as unknown:
            use("vo-test-123")
        assert unknown.value.message == "No Volume with ID 'vo-test-123' found"
    with pytest.raises(NotFound, match="Environment 'none' not found"):
        store.volumes.list("none")


def test_volumes_are_listed_renamed_and_deleted(store, volume):
    other = store.volume("other")
    assert [v.name for v in store.volumes.list("")] == ["other", "data"]
    assert [v.name for v in store.volumes.list("main", limit=1)] == ["other"]
    assert store.volumes.rename(volume, "renamed").volume_id == volume
    store.volumes.delete(other)
    assert [v.name for v in store.volumes.list("")] == ["renamed"]
    kinds = [event.kind for event in store.journal.events()]
    assert kinds == ["volume.created", "volume.created", "volume.deleted"]


def test_overwriting_makes_another_volume(store, volume):
    store.put(volume, a=b"1")
    new = store.volume(creation=Creation.CREATE_OVERWRITE_IF_EXISTS)
    assert new != volume
    assert store.paths(new) == []
    with pytest.raises(NotFound):
        store.volumes.get(volume)
    fresh = store.volume("fresh", Creation.CREATE_OVERWRITE_IF_EXISTS)
    assert store.volumes.get(fresh).name == "fresh"


def test_an_ephemeral_volume_lives_while_it_is_heard_of(store):
    volume = store.volume("", Creation.EPHEMERAL)
    store.put(volume, a=b"1")
    store.clock.at += 600
    store.volumes.heartbeat(volume)
    store.clock.at += 600
    assert store.files(volume) == {"a": b"1"}
    store.clock.at += 600
    store.names.sweep()
    with pytest.raises(NotFound):
        store.volumes.get(volume)
    assert not (store.directory / "volumes" / volume).exists()


def test_a_fresh_world_stands_behind_an_old_handle(make_store):
    births = Births()
    one = make_store("one", births=births, on_disk=False)
    volume = one.volume(version=2)
    one.put(volume, a=b"1")
    two = make_store("two", births=births, on_disk=False)
    assert two.volumes.get(volume).version == 2
    assert two.paths(volume) == []
    two.put(volume, b=b"2")
    assert two.files(volume) == {"b": b"2"}


# -------------------------------------------------------------------- reading


def test_listings(store, volume):
    store.put(volume, b=b"22", d__x=b"1", d__e__y=b"1")

    def listed(path, recursive=False, most=None):
        found = store.volumes.entries(volume, path, recursive=recursive, max_entries=most)
        return [name for name, _ in found]

    assert listed("/") == listed("") == ["b", "d"]
    assert listed("/d/") == ["d/e", "d/x"]
    assert listed("d", recursive=True) == ["d/e", "d/e/y", "d/x"]
    assert listed("b") == listed("/b", recursive=True) == ["b"]
    assert listed("", recursive=True, most=2) == ["b", "d"]
    for path in ("none", "b/x", "d/none"):
        with pytest.raises(NotFound, match=f"No such file or directory: '{path}'"):
            listed(path)
    with pytest.raises(Invalid):
        listed("../x")


def test_odd_names_are_listed_and_go_with_their_directory(store, volume, container):
    box = container()
    box.write(**{"d__" + os.fsdecode(b"\xff\xfe"): "1", "grüße": "2"})
    box.commit()
    assert store.paths(volume) == ["d", "d/\\xff\\xfe", "grüße"]
    assert store.read(volume, "grüße") == b"2"
    store.volumes.remove(volume, "d", recursive=True, by=API)
    assert store.paths(volume) == ["grüße"]
    store.reopen()
    assert store.paths(volume) == ["grüße"]


def test_files_are_located_through_links_inside_the_volume_only(store, volume, container):
    box = container().write(d__a="1")
    for name, target in {
        "link": "d/a",
        "dir": "d",
        "mount": f"/__modal/volumes/{volume}/d/a",
        "host": "/etc/passwd",
        "up": "../../etc/passwd",
        "dangling": "none",
    }.items():
        box.mount.symlink(target, name)
    os.mkfifo(box.checkout.changes / "fifo")
    box.commit()
    for path in ("d/a", "link", "dir/a", "mount"):
        assert store.read(volume, path) == b"1"
    for path in ("host", "up"):
        with pytest.raises(Invalid, match="leads out of the Volume"):
            store.volumes.locate(volume, path)
    for path in ("dangling", "none", "d/a/b"):
        with pytest.raises(NotFound, match="No such file or directory"):
            store.volumes.locate(volume, path)
    for path in ("d", "/", "fifo"):
        with pytest.raises(Invalid, match="is not a regular file"):
            store.volumes.locate(volume, path)
    assert store.volumes.locate(volume, "d/a").entry.kind is Kind.FILE


# -------------------------------------------------------------------- what containers see


def test_the_four_steps_of_modals_guide(store, container):
    reader, writer = container("reader"), container("writer")
    assert reader.files == {}
    writer.write(x="1").commit()
    assert reader.files == {}
    assert reader.reload().files == {"x": b"1"}
    assert container("new").files == {"x": b"1"}


def test_a_commit_is_remembered_with_who_and_what(store, volume, container):
    container("ta-7").write(d__x="1").commit("background")
    (record,) = store.volumes.history(volume).versions
    assert (record.number, record.at, record.changed) == (1, store.clock.at, 3)
    assert record.by == Committer("ta-7", via="background")
    changed = store.volumes.changed(volume, 1)
    assert ["/".join(change.parts) for change in changed] == ["", "d", "d/x"]
    event = store.journal.events("volume.commit")[0]
    assert dict(event.values) == {
        "volume_id": volume,
        "version": 1,
        "container_id": "ta-7",
        "function": "",
        "call_id": "",
        "via": "background",
        "base": 0,
        "changed": 3,
        "paths": "d/x",
        "removed": "",
        "added": "d\0d/x",
    }
    with pytest.raises(NotFound, match="no version 2"):
        store.volumes.changed(volume, 2)


def test_a_commit_of_nothing_is_no_version(store, volume, container):
    box = container().write(x="1")
    assert box.commit().number == 1
    again = box.commit()
    assert again is None or again.number == 1
    box.mount.copy_up(("x",))
    assert store.volumes.history(volume).head.number == 1
    assert len(store.journal.events("volume.commit")) == 1


def test_different_files_of_two_containers_are_both_kept(store, volume, container):
    one, two = container("1"), container("2")
    one.write(a="1", d__a="1").commit()
    two.write(b="2", d__b="2").commit()
    assert store.files(volume) == {"a": b"1", "b": b"2", "d/a": b"1", "d/b": b"2"}
    assert one.files == {"a": b"1", "d/a": b"1"}
    assert one.reload().files == two.reload().files == store.files(volume)


def test_of_the_same_file_the_last_committers_is_kept_whole(store, volume, container):
    one, two = container("1"), container("2")
    one.write(a="from one, and long")
    two.write(a="two")
    two.commit()
    one.commit()
    assert store.files(volume) == {"a": b"from one, and long"}
    two.write(b="2").commit()
    assert store.files(volume)["a"] == b"from one, and long"


def test_reading_a_file_open_for_writing_does_not_undo_anothers_commit(store, volume, container):
    store.put(volume, a=b"old")
    one, two = container("1"), container("2")
    one.mount.copy_up(("a",))  # opened r+, never written
    two.write(a="new").commit()
    one.write(other="x").commit()
    assert store.files(volume)["a"] == b"new"


def test_a_reload_commits_what_is_pending_and_loses_nothing(store, volume, container):
    one, two = container("1"), container("2")
    two.write(b="2").commit()
    assert one.write(a="1").reload().files == {"a": b"1", "b": b"2"}
    assert store.volumes.history(volume).versions[-1].by.via == "reload"


def test_files_that_others_add_to_a_directory_that_is_made_again_stay(store, volume, container):
    store.put(volume, d__old=b"1")
    one, two = container("1"), container("2")
    two.write(d__new="2").commit()
    one.mount.remove("d")
    one.write(d__mine="1")
    one.commit()
    assert store.files(volume) == {"d/mine": b"1", "d/new": b"2"}


def test_removals_of_two_containers_and_writes_after_them(store, volume, container):
    store.put(volume, a=b"1", d__x=b"2", d__y=b"3")
    one, two = container("1"), container("2")
    one.mount.remove("d")
    two.write(d__x="changed")
    two.mount.remove("a")
    one.mount.remove("a")
    one.commit()
    assert store.files(volume) == {}
    number = two.commit().number
    assert store.files(volume) == {"d/x": b"changed"}
    # That `a` is gone was said before, so this version does not say it again.
    changed = [change.parts for change in store.volumes.changed(volume, number)]
    assert changed == [(), ("d",), ("d", "x")]


def test_edits_from_outside_are_seen_after_a_reload(store, volume, container):
    box = container().write(mine="1")
    store.put(volume, theirs=b"2")
    assert box.files == {"mine": b"1"}
    assert box.reload().files == {"mine": b"1", "theirs": b"2"}


def test_many_commits_from_one_checkout(store, volume, container):
    box = container()
    for number in range(30):
        box.write(**{f"f{number}": str(number)})
        if number % 7 == 3:
            box.mount.remove(f"f{number - 2}")
        box.commit()
        assert store.files(volume) == box.files
    assert store.volumes.history(volume).head.number == 30


def test_a_limit_refuses_the_commit_whole(make_store):
    store = make_store(on_disk=False, limits=VolumeLimits(v1_inodes=2))
    volume = store.volume()
    box = Container(store, volume).write(a="1", b="2", c="3")
    with pytest.raises(Conflict, match="No space left on device"):
        box.commit()
    assert store.paths(volume) == []
    box.mount.remove("c")
    box.commit()
    assert store.paths(volume) == ["a", "b"]
    with pytest.raises(Conflict, match="No space left on device"):
        store.put(volume, d=b"1")
    assert on_disk(store, volume) == ["l1", box.checkout.room.name]


# -------------------------------------------------------------------- views given back


def test_a_view_that_was_given_back_can_commit_nothing(store, volume, container):
    box = container().write(a="1")
    staged = store.volumes.stage(box.checkout)
    store.volumes.release(box.checkout)
    store.volumes.release(box.checkout)
    with pytest.raises(Conflict, match="was given back"):
        store.volumes.publish(box.checkout, staged, API)
    with pytest.raises(Conflict, match="was given back"):
        store.volumes.stage(box.checkout)
    assert store.paths(volume) == []
    assert on_disk(store, volume) == []


def test_a_deleted_volume_can_be_seen_but_not_committed_to(store, volume, container):
    store.put(volume, a=b"1")
    box = container()
    store.volumes.delete(volume)
    assert store.volume() != volume
    assert box.files == {"a": b"1"}
    with pytest.raises(NotFound, match=f"No Volume with ID '{volume}' found"):
        box.write(b="2").commit()
    with pytest.raises(NotFound):
        store.volumes.advance(box.checkout)
    assert box.files == {"a": b"1", "b": b"2"}
    store.volumes.release(box.checkout)
    assert not (store.directory / "volumes" / volume).exists()


def test_a_deleted_volume_leaves_no_file(store, volume):
    store.put(volume, a=b"1")
    store.reopen()
    store.volumes.delete(volume)
    assert not (store.directory / "volumes" / volume).exists()
    assert not list(store.ledger.all(f"volume.version:{volume}"))
    assert not list(store.ledger.all(f"volume.changes:{volume}"))


def test_a_delete_that_fails_loses_nothing(store, volume):
    store.put(volume, a=b"1")
    with pytest.raises(RuntimeError), store.ledger.transaction():
        store.volumes.delete(volume)
        raise RuntimeError
    assert store.files(volume) == {"a": b"1"}


def test_a_failed_stage_leaves_nothing(store, volume, container, monkeypatch):
    from modal_emulator.store import drafts

    def broken(*_):
        raise OSError(28, "No space left on device")

    box = container().write(a="1")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(drafts, "copy_file", broken)
        box.commit()
    assert on_disk(store, volume) == [box.checkout.room.name]
    assert box.commit().number == 1
    assert store.files(volume) == {"a": b"1"}


def test_a_commit_that_the_ledger_refuses_did_not_happen(store, volume, container, monkeypatch):
    store.put(volume, a=b"1")
    box = container().write(b="2")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(store.ledger, "put", full)
        box.commit()
    assert store.files(volume) == {"a": b"1"}
    assert store.volumes.history(volume).head.number == 1
    assert on_disk(store, volume) == ["l1", box.checkout.room.name]
    assert box.commit().number == 2
    assert store.files(volume) == {"a": b"1", "b": b"2"}


# -------------------------------------------------------------------- layers


@pytest.fixture
def short(make_store):
    """A store that merges layers beyond three."""
    return make_store(on_disk=False, limits=VolumeLimits(layers=3, versions_kept=1))


def test_layers_stay_few_and_show_the_same(short):
    volume = short.volume()
    expected = {}
    for number in range(25):
        short.put(volume, **{f"d__f{number}": bytes([number])})
        expected[f"d/f{number}"] = bytes([number])
        if number % 5 == 4:
            short.volumes.remove(volume, f"d/f{number - 3}", recursive=False, by=API)
            del expected[f"d/f{number - 3}"]
        assert short.files(volume) == expected
        head = short.volumes.history(volume).head
        assert len(head.layers) <= 3
        assert on_disk(short, volume) == sorted(head.layers)
    assert short.volumes.history(volume).head.number == 30


def test_a_view_keeps_its_layers_while_others_merge(short):
    volume = short.volume()
    short.put(volume, a=b"1", b=b"2")
    box = Container(short, volume)
    for number in range(9):
        short.put(volume, a=bytes([number]))
    assert box.files == {"a": b"1", "b": b"2"}
    box.write(c="3").commit()
    assert short.files(volume) == {"a": b"\x08", "b": b"2", "c": b"3"}
    layers = set(short.volumes.history(volume).head.layers)
    assert set(on_disk(short, volume)) > layers
    short.volumes.release(box.checkout)
    assert set(on_disk(short, volume)) == layers


def test_a_merge_can_be_run_elsewhere(short):
    volume = short.volume()
    assert short.volumes.begin_merge(volume) is None
    for number in range(3):
        short.put(volume, **{f"f{number}": b"1"})
    merging = short.volumes.begin_merge(volume)
    size = merging.run()
    box = Container(short, volume).write(late="1")
    staged = short.volumes.stage(box.checkout)
    # Somebody commits while the merge runs, and his layer stays on top.
    written = short.volumes.begin_put(volume, [short.incoming("g", b"2")], overwrite=True)
    short.volumes.abandon(written)
    short.volumes.publish(box.checkout, staged, API)
    short.volumes.finish_merge(merging, size)
    assert short.files(volume) == {"f0": b"1", "f1": b"1", "f2": b"1", "late": b"1"}


def test_a_merge_that_came_too_late_changes_nothing(short):
    volume = short.volume()
    for number in range(3):
        short.put(volume, **{f"f{number}": b"1"})
    late, quick = short.volumes.begin_merge(volume), short.volumes.begin_merge(volume)
    short.volumes.finish_merge(quick, quick.run())
    layers = short.volumes.history(volume).head.layers
    short.volumes.finish_merge(late, late.run())
    assert short.volumes.history(volume).head.layers == layers
    assert on_disk(short, volume) == sorted(layers)


def test_a_merge_can_be_given_up(short):
    volume = short.volume()
    for number in range(3):
        short.put(volume, **{f"f{number}": b"1"})
    merging = short.volumes.begin_merge(volume)
    merging.run()
    short.volumes.abandon_merge(merging)
    assert on_disk(short, volume) == ["l1", "l2", "l3"]
    assert len(short.files(volume)) == 3


def test_a_merge_of_a_volume_deleted_meanwhile_leaves_nothing(short):
    volume = short.volume()
    for number in range(3):
        short.put(volume, **{f"f{number}": b"1"})
    merging = short.volumes.begin_merge(volume)
    size = merging.run()
    short.volumes.delete(volume)
    short.volumes.finish_merge(merging, size)
    assert not (short.directory / "volumes" / volume).exists()
    assert not list(short.ledger.all("volume.stack"))


def test_a_commit_stays_true_when_the_merge_after_it_fails(short, monkeypatch):
    from modal_emulator.store import line

    def full(*_):
        raise OSError(28, "No space left on device")

    volume = short.volume()
    with monkeypatch.context() as patch:
        patch.setattr(line, "merge", full)
        for number in range(5):
            short.put(volume, **{f"f{number}": b"1"})
    assert len(short.journal.events("volume.merge-failed")) == 2
    assert on_disk(short, volume) == ["l1", "l2", "l3", "l4", "l5"]
    short.put(volume, more=b"1")
    assert len(short.volumes.history(volume).head.layers) <= 3
    assert len(short.files(volume)) == 6


@pytest.mark.parametrize("step", ["begin_merge", "finish_merge"])
def test_a_commit_stays_true_when_the_merge_after_it_finds_no_room(short, monkeypatch, step):
    real = getattr(Line, step)

    def full(*_):
        raise OSError(28, "No space left on device")

    def step_without_room(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(Shelf, "workroom", full)
            patch.setattr(Archive, "relayer", full)
            return real(*arguments)

    volume = short.volume()
    with monkeypatch.context() as patch:
        patch.setattr(Line, step, step_without_room)
        for number in range(5):
            assert short.put(volume, **{f"f{number}": b"1"}).number == number + 1
    assert len(short.journal.events("volume.merge-failed")) == 2
    short.put(volume, more=b"1")
    assert len(short.volumes.history(volume).head.layers) <= 3
    assert len(short.files(volume)) == 6


def test_a_merge_below_which_another_was_quicker_changes_nothing(make_store):
    store = make_store(on_disk=False, limits=VolumeLimits(layers=1, versions_kept=1))
    line = store.volumes._line(store.volume())
    store.put(line.volume_id, a=b"1")
    merging = line.begin_merge(0)
    store.put(line.volume_id, b=b"2")
    line.finish_merge(merging, merging.run())
    assert store.files(line.volume_id) == {"a": b"1", "b": b"2"}


# -------------------------------------------------------------------- restarts


def test_a_restart_finds_everything_but_views(make_store):
    store = make_store(limits=VolumeLimits(layers=4, versions_kept=1))
    volume, other = store.volume(version=2), store.volume("other")
    for number in range(9):
        store.put(volume, **{f"d__f{number}": bytes([number])})
    box = Container(store, volume)
    box.write(committed="1").commit()
    box.write(lost="2")
    before = store.volumes.history(volume)
    files = store.files(volume)
    assert store.ledger.get("volume.snapshot", volume) is None  # it is not worth one yet
    store.reopen()
    after = store.volumes.history(volume)
    assert after.head == before.head
    assert after.versions == before.versions
    assert store.files(volume) == files
    assert on_disk(store, volume) == sorted(after.head.layers)
    assert store.volumes.get(volume).version == 2
    assert store.volumes.history(other).versions == ()
    with pytest.raises(Conflict, match="was given back"):
        store.volumes.stage(box.checkout)
    store.put(volume, more=b"1")
    assert store.volumes.history(volume).head.number == before.head.number + 1


def test_a_restart_gives_away_what_nobody_needs(make_store):
    store = make_store()
    volume = store.volume()
    store.put(volume, a=b"1")
    directory = store.directory / "volumes"
    (directory / volume / "l2").mkdir()
    (directory / volume / "l2" / "half").touch()
    (directory / volume / "wabc").mkdir()
    (directory / "vo-unknown" / "l1").mkdir(parents=True)
    (directory / "trash" / "0").mkdir(parents=True)
    store.reopen()
    assert on_disk(store, volume) == ["l1"]
    assert not (directory / "vo-unknown").exists()
    store.put(volume, b=b"2")
    assert on_disk(store, volume) == ["l1", "l2"]
    (directory / "trash" / "1").mkdir()
    store.volumes.empty_trash()
    assert list((directory / "trash").iterdir()) == []


def test_lost_files_are_told_and_not_papered_over(make_store):
    store = make_store()
    volume = store.volume()
    store.put(volume, a=b"1")
    (store.directory / "volumes" / volume / "l1").rename(store.directory / "elsewhere")
    store.reopen()
    with pytest.raises(DataLoss, match="Files of a Volume are missing"):
        store.paths(volume)


def test_a_long_history_is_read_from_its_last_whole_tree(make_store, monkeypatch):
    from modal_emulator.store import archive

    monkeypatch.setattr(archive, "_SLACK", 20)
    store = make_store()
    volume = store.volume()
    for number in range(40):
        store.put(volume, **{f"f{number % 5}": bytes([number])})
    assert store.ledger.get("volume.snapshot", volume) is not None
    replayed = []
    unpack = archive.unpack_changes
    monkeypatch.setattr(archive, "unpack_changes", lambda v: replayed.append(v) or unpack(v))
    before = store.volumes.history(volume)
    store.reopen()
    assert store.volumes.history(volume).head == before.head
    assert len(replayed) < 30
    for number in range(40):
        store.put(volume, **{f"f{number % 5}": bytes([number])})
    store.reopen()
    assert store.volumes.history(volume).head.number == 80
    assert len(store.volumes.history(volume).versions) == 80

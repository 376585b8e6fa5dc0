"""Commits that copy nothing: what a container wrote becomes the layer, and its view goes on."""

import os

import pytest

from modal_emulator.ground.errors import Conflict, NotFound
from modal_emulator.store.checkout import Checkout
from modal_emulator.store.drafts import Budget, Heavy
from modal_emulator.store.history import Committer
from modal_emulator.store.limits import VolumeLimits
from store.overlay import Overlay

BY = Committer("ta-1")


class Box:
    """A container whose mount can be taken away."""

    def __init__(self, store, volume):
        self.store, self.volume = store, volume
        self.show(store.volumes.checkout(volume, "ta-1"))

    def show(self, checkout):
        self.checkout, self.mount = checkout, Overlay(checkout)
        return self

    def write(self, **files):
        for name, data in files.items():
            self.mount.write(name.replace("__", "/"), data)
        return self

    def take_over(self, *, newest=False):
        staged = self.store.volumes.stage_still(self.checkout)
        assert staged is not None
        new = self.store.volumes.replace(self.checkout, staged, BY, newest=newest)
        return self.show(new)

    @property
    def files(self):
        return {"/".join(p): d for p, d in self.mount.view().items() if isinstance(d, bytes)}


@pytest.fixture
def volume(store):
    return store.volume()


@pytest.fixture
def box(store, volume):
    return lambda: Box(store, volume)


def rooms(store, volume):
    place = store.directory / "volumes" / volume
    return sorted(p.name for p in place.iterdir() if p.name.startswith("w"))


def test_the_files_that_were_written_are_the_layers(store, volume, box):
    one = box().write(a="1", d__b="2")
    inodes = {name: (one.checkout.changes / name).stat().st_ino for name in ("a", "d/b")}
    one.take_over()
    assert store.files(volume) == one.files == {"a": b"1", "d/b": b"2"}
    for name, inode in inodes.items():
        assert store.volumes.locate(volume, name).path.stat().st_ino == inode
    assert list(one.checkout.changes.iterdir()) == []
    assert rooms(store, volume) == [one.checkout.room.name]


def test_what_comes_after_writes_to_no_layer(store, volume, box):
    one = box().write(a="1", b="2").take_over()
    one.write(a="changed")
    one.mount.remove("b")
    assert store.files(volume) == {"a": b"1", "b": b"2"}
    assert one.files == {"a": b"changed"}
    store.commit(one.checkout)
    assert store.files(volume) == {"a": b"changed"}


def test_nothing_new_is_nothing_to_take_over(store, volume, box):
    one = box().write(a="1").take_over()
    assert store.volumes.stage_still(one.checkout) is None
    assert store.volumes.history(volume).head.number == 1
    assert rooms(store, volume) == [one.checkout.room.name]


@pytest.mark.parametrize("quicker", [False, True], ids=["before", "meanwhile"])
def test_what_others_committed_stays_unseen(store, volume, box, quicker):
    store.put(volume, old=b"0", d__x=b"x")
    one = box()
    one.write(a="1", d__y="y")
    one.mount.remove("d/x")
    if not quicker:
        store.put(volume, other=b"2")
    staged = store.volumes.stage_still(one.checkout)
    if quicker:
        store.put(volume, other=b"2")
    one.show(store.volumes.replace(one.checkout, staged, BY, newest=False))
    assert one.files == {"old": b"0", "a": b"1", "d/y": b"y"}
    assert store.files(volume) == {**one.files, "other": b"2"}
    # Again, over its own layer.
    one.write(a="3")
    one.mount.remove("d/y")
    one.take_over()
    assert one.files == {"old": b"0", "a": b"3"}
    assert store.files(volume) == {**one.files, "other": b"2"}
    one.write(b="4")
    store.commit(one.checkout)
    assert store.files(volume) == {"old": b"0", "a": b"3", "b": b"4", "other": b"2"}
    assert rooms(store, volume) == [one.checkout.room.name]


def test_after_a_commit_that_copied_only_what_is_new_is_published(store, volume, box):
    one = box().write(a="1")
    store.commit(one.checkout)
    store.put(volume, a=b"theirs")
    one.write(b="2").take_over()
    assert store.files(volume) == {"a": b"theirs", "b": b"2"}
    assert one.files == {"a": b"1", "b": b"2"}


def test_a_reload_takes_over_and_shows_the_newest(store, volume, box):
    one = box().write(a="1")
    store.put(volume, other=b"2")
    one.take_over(newest=True)
    assert one.files == store.files(volume) == {"a": b"1", "other": b"2"}


def test_owners_do_not_survive(store, volume, box):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    one = box().write(a="1")
    path = one.checkout.changes / "a"
    os.chown(path, 1234, 1234)
    path.chmod(0o4755)
    one.take_over()
    status = store.volumes.locate(volume, "a").path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, 0, 0o4755)


def test_extended_attributes_do_not_survive(store, volume, box):
    one = box().write(a="1")
    os.setxattr(one.checkout.changes / "a", "user.colour", b"red")
    one.take_over()
    assert os.listxattr(store.volumes.locate(volume, "a").path) == []


def test_a_refused_commit_changes_nothing(make_store):
    store = make_store(on_disk=False, limits=VolumeLimits(v1_inodes=1))
    volume = store.volume()
    one = Box(store, volume).write(a="1", b="2")
    staged = store.volumes.stage_still(one.checkout)
    with pytest.raises(Conflict, match="No space left on device"):
        store.volumes.replace(one.checkout, staged, BY, newest=True)
    assert one.files == {"a": b"1", "b": b"2"} and store.files(volume) == {}
    assert rooms(store, volume) == [one.checkout.room.name]
    one.mount.remove("b")
    one.take_over()
    assert store.files(volume) == {"a": b"1"}


def test_a_failed_stage_leaves_nothing(store, volume, box, monkeypatch):
    one = box().write(a="1")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(Checkout, "lay_out", full)
        store.volumes.stage_still(one.checkout)
    assert rooms(store, volume) == [one.checkout.room.name]
    one.take_over()
    assert store.files(volume) == {"a": b"1"}


def test_a_deleted_volume_takes_nothing(store, volume, box):
    one = box().write(a="1")
    staged = store.volumes.stage_still(one.checkout)
    store.volumes.delete(volume)
    with pytest.raises(NotFound):
        store.volumes.replace(one.checkout, staged, BY, newest=True)
    assert one.files == {"a": b"1"}
    assert rooms(store, volume) == [one.checkout.room.name]
    store.volumes.release(one.checkout)
    with pytest.raises(Conflict, match="given back"):
        store.volumes.replace(one.checkout, staged, BY, newest=True)


@pytest.mark.parametrize("budget", [Budget(files=1), Budget(bytes=5000)], ids=["files", "bytes"])
def test_more_than_the_budget_is_not_copied(store, volume, box, budget):
    one = box().write(a="1" * 4000, b="2" * 4000)
    with pytest.raises(Heavy):
        store.volumes.stage(one.checkout, budget)
    assert rooms(store, volume) == [one.checkout.room.name]
    one.mount.remove("b")
    staged = store.volumes.stage(one.checkout, budget)
    store.volumes.publish(one.checkout, staged, BY)
    assert list(store.files(volume)) == ["a"]

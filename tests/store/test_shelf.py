import threading

import pytest

from modal_emulator.ground.errors import DataLoss
from modal_emulator.store import shelf as room
from modal_emulator.store.shelf import Shelf, Trash


@pytest.fixture
def trash(tmp_path):
    return Trash(tmp_path / "trash")


@pytest.fixture
def shelf(tmp_path, trash):
    return Shelf(tmp_path / "vo-1", trash, {})


@pytest.fixture(autouse=True)
def large(monkeypatch):
    """Treat everything with names in it as large."""
    monkeypatch.setattr(room, "_SMALL", 0)


def layer(shelf, size=1):
    return shelf.adopt(shelf.workroom(), size)


def full(path):
    path.mkdir()
    for number in range(3):
        (path / str(number)).touch()
    return path


def names(path):
    return sorted(p.name for p in path.iterdir()) if path.exists() else []


def test_workrooms_become_numbered_layers(shelf, tmp_path):
    room = shelf.workroom()
    (room / "file").touch()
    first, second = shelf.adopt(room, 1), layer(shelf, 5)
    assert (first, second) == ("l1", "l2")
    assert not room.exists()
    assert (shelf.path(first) / "file").exists()
    assert shelf.paths([second, first]) == (shelf.path("l2"), shelf.path("l1"))
    assert shelf.sizes([second, first]) == (5, 1)


def test_layers_go_unless_someone_needs_them(shelf, tmp_path):
    a, b, c = (layer(shelf) for _ in range(3))
    shelf.need([c])
    shelf.pin([a, b])
    shelf.pin([b])
    shelf.sweep()
    assert names(tmp_path / "vo-1") == [a, b, c]
    shelf.unpin([a, b])
    assert shelf.held
    shelf.sweep()
    assert names(tmp_path / "vo-1") == [b, c]
    shelf.unpin([b])
    assert not shelf.held
    shelf.sweep()
    assert names(tmp_path / "vo-1") == [c]
    shelf.spare([c])
    assert layer(shelf) == "l4"
    shelf.sweep()
    assert names(tmp_path / "vo-1") == []


def test_a_shelf_is_found_again(shelf, trash, tmp_path):
    a, b = layer(shelf, 3), layer(shelf, 4)
    again = Shelf(tmp_path / "vo-1", trash, {b: 4, a: 3})
    assert again.sizes([a, b]) == (3, 4)
    assert layer(again) == "l3"


def test_missing_layers_are_told(shelf, trash, tmp_path):
    with pytest.raises(DataLoss, match="Files of a Volume are missing"):
        Shelf(tmp_path / "vo-1", trash, {"l7": 1})


def test_all_can_be_given_away(shelf, trash, tmp_path):
    shelf.close()  # nothing there yet
    shelf.discard(shelf.workroom())
    layer(shelf)
    shelf.close()
    assert not (tmp_path / "vo-1").exists()
    trash.empty()
    assert names(tmp_path / "trash") == []


def test_what_is_small_is_deleted_at_once(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_SMALL", 3)
    made = [shelf.workroom() for _ in range(4)]
    for size, path in enumerate(made):
        for number in range(size):
            (path / str(number)).touch()
        shelf.discard(path)
    assert names(tmp_path / "vo-1") == []
    assert names(tmp_path / "trash") == ["0"]


def test_what_has_no_room_in_the_trash_is_deleted_at_once(shelf, tmp_path, monkeypatch):
    def no_room(*_, **__):
        raise OSError(28, "No space left on device")

    place = full(shelf.workroom() / "large").parent
    monkeypatch.setattr(type(place), "rename", no_room)
    shelf.discard(place)
    assert names(tmp_path / "vo-1") == names(tmp_path / "trash") == []


def test_what_cannot_be_deleted_is_in_nobodys_way(shelf, tmp_path, monkeypatch):
    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    place = full(shelf.workroom() / "large").parent
    with monkeypatch.context() as patch:
        patch.setattr(room, "dispose", read_only)
        shelf.discard(place)
        shelf.close()
    assert place.exists()
    shelf.close()
    assert not place.exists()


def test_trash_is_emptied_in_parts(trash, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "deep").mkdir(parents=True)
        for number in range(5):
            (tmp_path / name / "deep" / str(number)).touch()
        trash.take(tmp_path / name)
    left = [sum(1 for _ in (tmp_path / "trash").rglob("*"))]
    while left[-1]:
        trash.empty(most=4)
        left.append(sum(1 for _ in (tmp_path / "trash").rglob("*")))
        assert left[-1] < left[-2]
    assert len(left) > 3


def test_trash_that_is_not_there_is_empty(trash):
    trash.empty()


def test_trash_of_a_killed_process_is_in_nobodys_way(trash, tmp_path):
    (tmp_path / "trash" / "0").mkdir(parents=True)
    trash.take(full(tmp_path / "x"))
    assert names(tmp_path / "trash") == ["0", "1"]


def test_one_thread_empties_at_a_time(trash, tmp_path, monkeypatch):
    trash.take(full(tmp_path / "x"))
    inside, go, real = threading.Event(), threading.Event(), room.dispose

    def slowly(path, most):
        inside.set()
        assert go.wait(60)
        return real(path, most)

    monkeypatch.setattr(room, "dispose", slowly)
    thread = threading.Thread(target=trash.empty)
    thread.start()
    assert inside.wait(60)
    trash.empty()  # returns at once
    assert names(tmp_path / "trash") == ["0"]
    go.set()
    thread.join(60)
    assert names(tmp_path / "trash") == []


def test_what_cannot_be_given_away_now_goes_later(shelf, trash, tmp_path, monkeypatch):
    a, b = layer(shelf), layer(shelf)
    shelf.need([b])

    def full(path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(trash, "take", full)
        shelf.sweep()
    assert names(tmp_path / "vo-1") == [a, b]
    shelf.sweep()
    assert names(tmp_path / "vo-1") == [b]

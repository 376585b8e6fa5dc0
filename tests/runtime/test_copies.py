"""Copied volumes: what the container changed is found by looking again."""

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from modal_emulator.runtime.backend import OpenFiles, View
from modal_emulator.runtime.copies import Copies
from modal_emulator.runtime.merged import is_removal, walk


@pytest.fixture
def view(tmp_path: Path) -> View:
    layer = tmp_path / "layer"
    for name in ("a", "d/x", "d/y", "e/f/g"):
        path = layer / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for name in ("changes", "scratch"):
        (tmp_path / name).mkdir()
    return View((layer,), tmp_path / "changes", tmp_path / "scratch")


@pytest.fixture
def copies(tmp_path: Path, view: View) -> Copies:
    made = Copies(tmp_path / "volumes", str, str)
    made.attach("vo-1", view)
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "volumes" / "vo-1"


def looks(place: Path) -> dict[str, str]:
    """Return the files below a directory with what is in them, and its directories."""
    return {
        str(path.relative_to(place)): path.read_text() if path.is_file() else "/"
        for path in place.rglob("*")
    }


def stacked(view: View) -> dict[str, str]:
    return {
        found.path: found.source.read_text() if found.source.is_file() else "/"
        for found in walk((view.changes, *view.layers))
    }


def remove_and_make_anew(place: Path) -> None:
    shutil.rmtree(place / "d")
    (place / "d").mkdir()
    (place / "d" / "z").write_text("z")


def file_to_directory(place: Path) -> None:
    (place / "a").unlink()
    (place / "a").mkdir()
    (place / "a" / "n").write_text("n")


def directory_to_file(place: Path) -> None:
    shutil.rmtree(place / "d")
    (place / "d").write_text("file")


def same_size_and_time(place: Path) -> None:
    times = (place / "a").stat()
    (place / "a").write_text("b")
    os.utime(place / "a", ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: list[Callable[[Path], object]] = [
    lambda place: (place / "new").write_text("new"),
    lambda place: (place / "a").write_text("longer"),
    lambda place: (place / "a").unlink(),
    lambda place: shutil.rmtree(place / "e"),
    lambda place: (place / "e" / "f" / "g").unlink(),
    lambda place: (place / "d").rename(place / "moved"),
    lambda place: (place / "d" / "x").replace(place / "d" / "y"),
    lambda place: (place / "deep" / "er").mkdir(parents=True),
    remove_and_make_anew,
    file_to_directory,
    directory_to_file,
    same_size_and_time,
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("then", [lambda place: None, *CHANGES])
def test_changes_over_layers_are_what_the_container_has(
    copies: Copies,
    place: Path,
    view: View,
    change: Callable[[Path], object],
    then: Callable[[Path], object],
) -> None:
    change(place)
    copies.collect("vo-1")
    assert stacked(view) == looks(place)
    with suppress(OSError):  # the first change may have left nothing for the second one
        then(place)
    copies.collect("vo-1")
    assert stacked(view) == looks(place)


def test_what_did_not_change_is_not_written_again(copies: Copies, place: Path, view: View) -> None:
    (place / "new").write_text("new")
    copies.collect("vo-1")
    first = (view.changes / "new").stat()
    (place / "other").write_text("other")
    copies.collect("vo-1")
    second = (view.changes / "new").stat()
    assert (first.st_ino, first.st_ctime_ns) == (second.st_ino, second.st_ctime_ns)
    assert sorted(path.name for path in view.changes.iterdir()) == ["new", "other"]


def test_modes_and_times_are_kept(copies: Copies, place: Path, view: View) -> None:
    (place / "a").chmod(0o640)
    os.utime(place / "a", (7, 7))
    (place / "d" / "z").write_text("z")
    (place / "d").chmod(0o700)
    copies.collect("vo-1")
    assert (view.changes / "a").stat().st_mode & 0o777 == 0o640
    assert (view.changes / "a").stat().st_mtime == 7
    assert (view.changes / "d").stat().st_mode & 0o777 == 0o700


def test_a_removed_file_of_a_layer_is_marked(copies: Copies, place: Path, view: View) -> None:
    (place / "a").unlink()
    (place / "new").write_text("")
    copies.collect("vo-1")
    (place / "new").unlink()
    copies.collect("vo-1")
    assert [path.name for path in view.changes.iterdir()] == ["a"]
    assert is_removal((view.changes / "a").lstat())


def test_pending_changes_are_shown_again(copies: Copies, place: Path, view: View) -> None:
    (place / "a").write_text("changed")
    (place / "d" / "x").unlink()
    before = looks(place)
    copies.detach("vo-1", os.getpid())
    assert list(place.iterdir()) == []
    copies.attach("vo-1", view)
    assert looks(place) == before
    copies.collect("vo-1")
    assert stacked(view) == before


def test_what_is_held_is_not_detached(copies: Copies, place: Path) -> None:
    with (place / "a").open(), pytest.raises(OpenFiles):
        copies.detach("vo-1", os.getpid())
    assert (place / "a").read_text() == "a"


def test_what_is_not_attached_has_nothing_to_collect(copies: Copies) -> None:
    copies.detach("vo-1", os.getpid())
    copies.collect("vo-1")


def test_fifos_are_kept(copies: Copies, place: Path, view: View) -> None:
    os.mkfifo(place / "pipe")
    copies.collect("vo-1")
    assert (view.changes / "pipe").is_fifo()


def test_directories_keep_their_times(copies: Copies, place: Path, view: View) -> None:
    (place / "fresh" / "deep").mkdir(parents=True)
    (place / "fresh" / "deep" / "x").write_text("x")
    for name in ("fresh/deep", "fresh", "e"):
        os.utime(place / name, (7, 7))
    copies.collect("vo-1")
    for name in ("fresh/deep", "fresh", "e"):
        assert (view.changes / name).stat().st_mtime == 7
    copies.detach("vo-1", os.getpid())
    copies.attach("vo-1", view)
    for name in ("fresh/deep", "fresh", "e"):
        assert (place / name).stat().st_mtime == 7


def test_holes_and_sockets_are_kept(copies: Copies, place: Path, view: View) -> None:
    with (place / "sparse").open("wb") as file:
        file.truncate(1 << 24)
        file.seek(1 << 23)
        file.write(b"middle")
    os.mknod(place / "socket", stat.S_IFSOCK | 0o600)
    copies.collect("vo-1")
    found = (view.changes / "sparse").stat()
    assert found.st_size == 1 << 24 and found.st_blocks * 512 < 1 << 20
    assert (view.changes / "sparse").read_bytes()[1 << 23 :][:6] == b"middle"
    assert (view.changes / "socket").is_socket()


def test_what_vanishes_while_it_is_copied_is_no_error(
    copies: Copies, place: Path, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a").write_text("changed")
    (place / "n" / "m").mkdir(parents=True)
    (place / "n" / "m" / "x").write_text("x")
    copy = copies._copy

    def vanishing(path: str, *rest: Path) -> None:
        if path == "a":
            (place / "a").unlink()
            shutil.rmtree(place / "n")
        copy(path, *rest)

    monkeypatch.setattr(copies, "_copy", vanishing)
    copies.collect("vo-1")
    monkeypatch.undo()
    copies.collect("vo-1")
    assert stacked(view) == looks(place)
    assert "a" not in looks(place)

import errno
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modal_emulator.store import copying
from modal_emulator.store.copying import copy_file, dispose, make, place, same_bytes, stamp
from modal_emulator.store.layer import describe
from modal_emulator.store.tree import Entry, Kind

MIB = 1 << 20


def cannot(code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.fixture(params=["in the kernel", "by hand"])
def way(request, monkeypatch):
    """Copies are made by the kernel, or, on file systems where it cannot, by us."""
    if request.param == "by hand":
        monkeypatch.setattr(os, "copy_file_range", cannot(errno.EXDEV))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("data", [b"", b"hello", os.urandom(3 * MIB + 7)])
def test_a_copy_holds_the_same_and_has_mode_and_time(tmp_path, data):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    source.chmod(0o640)
    os.utime(source, ns=(0, 1_000_000_001))
    entry = copy_file(source, target)
    assert target.read_bytes() == data
    assert describe(target) == entry == describe(source)
    assert same_bytes(source, target)


@pytest.mark.usefixtures("way")
def test_holes_stay_holes(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.seek(5 * MIB)
        file.write(b"data")
        file.truncate(64 * MIB)
    copy_file(source, target)
    assert same_bytes(source, target)
    assert target.stat().st_blocks * 512 < MIB


def test_other_errors_of_copying_are_told(tmp_path, monkeypatch):
    (tmp_path / "source").write_bytes(b"x")
    for call, code in (("copy_file_range", errno.ENOSPC), ("lseek", errno.EIO)):
        with monkeypatch.context() as patch, pytest.raises(OSError, match=os.strerror(code)):
            patch.setattr(os, call, cannot(code))
            copy_file(tmp_path / "source", tmp_path / call)


def test_what_is_no_regular_file_is_not_copied(tmp_path):
    (tmp_path / "link").symlink_to("somewhere")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "none", "."):
        with pytest.raises(FileNotFoundError):
            copy_file(tmp_path / name, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_file_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "source").touch()
    monkeypatch.setattr(os, "open", cannot(errno.EACCES))
    with pytest.raises(PermissionError):
        copy_file(tmp_path / "source", tmp_path / "target")


def test_a_file_that_grows_is_copied_as_it_was(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"a" * 10)
    truncate = os.ftruncate

    def grow(handle, size):
        with source.open("ab") as file:
            file.write(b"b" * 10)
        monkeypatch.undo()
        truncate(handle, size)

    monkeypatch.setattr(os, "ftruncate", grow)
    assert copy_file(source, target).size == 10
    assert target.read_bytes() == b"a" * 10


@pytest.mark.usefixtures("way")
def test_a_file_that_is_cut_while_it_is_copied_is_cut_in_the_copy(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"a" * 10)
    seek, calls = os.lseek, []

    def cut(handle, position, how):
        calls.append(how)
        answer = seek(handle, position, how)
        if how == os.SEEK_HOLE:
            os.truncate(source, 4)
        return answer

    monkeypatch.setattr(os, "lseek", cut)
    assert copy_file(source, target).size == 4
    assert target.read_bytes() == b"a" * 4
    assert os.SEEK_HOLE in calls


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_bytes_are_compared(tmp_path_factory, one, other):
    directory = tmp_path_factory.mktemp("pair")
    (directory / "1").write_bytes(one)
    (directory / "2").write_bytes(other)
    assert same_bytes(directory / "1", directory / "2") == (one == other)


@pytest.mark.parametrize(
    "entry",
    [
        Entry(Kind.SYMLINK, 5, 7, 0o777, "a//b "),
        Entry(Kind.FIFO, 0, 7, 0o600),
        Entry(Kind.SOCKET, 0, 7, 0o755),
    ],
)
def test_what_has_no_bytes_is_made(tmp_path, entry):
    make(tmp_path / "x", entry)
    assert describe(tmp_path / "x") == entry


def test_a_directory_gets_its_stamp_later(tmp_path):
    entry = Entry(Kind.DIRECTORY, 0, 7, 0o711)
    make(tmp_path / "d", entry)
    assert describe(tmp_path / "d") != entry
    stamp(tmp_path / "d", entry)
    assert describe(tmp_path / "d") == entry


def test_a_file_is_shown_twice_without_copying(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    place(tmp_path / "a", tmp_path / "b", describe(tmp_path / "a"))
    place(tmp_path / "link", tmp_path / "link2", describe(tmp_path / "link"))
    assert (tmp_path / "b").stat().st_ino == (tmp_path / "a").stat().st_ino
    assert describe(tmp_path / "link2").target == "a"


@pytest.mark.parametrize("code", copying._CANNOT_LINK)
def test_where_links_run_out_it_is_copied(tmp_path, monkeypatch, code):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    monkeypatch.setattr(os, "link", cannot(code))
    for name in ("a", "link"):
        place(tmp_path / name, tmp_path / f"{name}2", describe(tmp_path / name))
        assert describe(tmp_path / f"{name}2") == describe(tmp_path / name)
    assert (tmp_path / "a2").read_bytes() == b"x"


def test_other_errors_of_linking_are_told(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(FileExistsError):
        place(tmp_path / "a", tmp_path / "a", describe(tmp_path / "a"))


def test_everything_can_be_disposed_of(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    top = tmp_path / "top"
    (top / "d" / "e").mkdir(parents=True)
    (top / "d" / "e" / "f").touch()
    (top / "out").symlink_to(outside)
    (top / "d" / "e").chmod(0)
    (top / "d").chmod(0)
    top.chmod(0)
    dispose(top)
    assert not top.exists()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500
    (tmp_path / "file").touch()
    dispose(tmp_path / "file")
    assert not (tmp_path / "file").exists()

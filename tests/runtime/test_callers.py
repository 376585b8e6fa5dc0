"""What the arguments of a call mean in the process that makes it."""

import ctypes
import os
import signal
from pathlib import Path

import pytest

from helpers import eventually
from modal_emulator.runtime.callers import Caller

HERE = -100 & 0xFFFF_FFFF_FFFF_FFFF


@pytest.fixture
def caller() -> Caller:
    """This very process."""
    if not Path("/proc/self/syscall").exists():
        pytest.skip("this system shows no processes in /proc")
    return Caller("/proc", os.getpid())


def test_memory_is_read(caller: Caller) -> None:
    text = ctypes.create_string_buffer("/data/ü.txt".encode() + b"\0more")
    assert caller.text(ctypes.addressof(text)) == "/data/ü.txt"
    word = ctypes.c_uint64(1 << 40)
    assert caller.word(ctypes.addressof(word)) == 1 << 40
    with pytest.raises(OSError):
        caller.text(8)


def test_paths_lead_to_places(
    caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "old").touch()
    (tmp_path / "near").symlink_to("d")
    (tmp_path / "far").symlink_to(tmp_path / "d" / "new")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    inside = (tmp_path / "d").stat()

    def found(path: str, directory: int | None = HERE, *, follow: bool = True) -> object:
        place = caller.locate(directory, path, follow=follow)
        if place is None or place.directory != inside.st_ino:
            return place and place.exists
        assert place.device == inside.st_dev
        assert Path(place.path).parent == tmp_path / "d"
        return Path(place.path).name, place.exists

    for path in ("d/new", "near/new", f"{tmp_path}/d/../d/new/", "far", "./d//new"):
        assert found(path) == ("new", False)
    assert found("d/old", None) == ("old", True)
    assert found("far", follow=False) is True
    file = os.open("d", os.O_RDONLY)
    assert found("new", file) == ("new", False)
    assert found("../near/old", file | 7 << 32) == ("old", True)
    assert found("d/none/new") is None
    assert found("d/old/new") is None
    assert found("d/..") is None
    assert found("/") is None
    assert found("loop") is None
    assert found("x") is False
    os.close(file)


def test_open_files_are_named(caller: Caller, tmp_path: Path) -> None:
    file = os.open(tmp_path, os.O_RDONLY)
    assert caller.opened(file) == str(tmp_path.resolve())
    os.close(file)
    with pytest.raises(FileNotFoundError):
        caller.opened(file)


def test_whether_a_thread_is_at_a_call(caller: Caller) -> None:
    # Whoever reads that of itself is at read(2).
    assert caller.is_calling(frozenset(range(100)))
    assert not caller.is_calling(frozenset({100_000}))
    assert not Caller("/proc", 1 << 30).is_calling(frozenset(range(100)))


def test_a_thread_that_runs_may_be_at_any_call(caller: Caller) -> None:
    pid = os.fork()
    while pid == 0:
        pass
    try:
        assert eventually(lambda: Caller("/proc", pid).is_calling(frozenset()))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

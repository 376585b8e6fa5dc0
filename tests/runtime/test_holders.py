"""Who holds something in a directory."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modal_emulator.runtime.holders import is_held


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").write_text("x")
    (tmp_path / "dd").write_text("a name that begins alike")
    return tmp_path / "d"


def test_nobody(directory: Path) -> None:
    with (directory.parent / "dd").open():
        assert not is_held(directory, os.getpid())


def test_an_open_file(directory: Path) -> None:
    with (directory / "file").open():
        assert is_held(directory, os.getpid())
    assert not is_held(directory, os.getpid())


def test_an_open_directory(directory: Path) -> None:
    held = os.open(directory, os.O_RDONLY)
    assert is_held(directory, os.getpid())
    os.close(held)


def test_a_mapping_without_an_open_file(directory: Path) -> None:
    with (directory / "file").open() as file:
        held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    assert is_held(directory, os.getpid())
    held.close()
    assert not is_held(directory, os.getpid())


def test_a_working_directory_of_a_grandchild(directory: Path) -> None:
    code = (
        "import os, sys\n"
        "os.fork() and os.wait() or (os.chdir(sys.argv[1]), print(1, flush=True), input())"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        assert is_held(directory, os.getpid())
        assert not is_held(directory, 1 << 30)  # nobody's descendants
        child.stdin.write(b"\n")
        child.stdin.close()

"""What is on a container's disk before the kernel shows it."""

import os
import stat
from pathlib import Path

import pytest

from modal_emulator.runtime.disk import Disk
from modal_emulator.runtime.outline import Outline, Point


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A small machine with a directory, a link to it, and a file."""
    root = tmp_path / "machine"
    (root / "var" / "data").mkdir(parents=True)
    (root / "var" / "data").chmod(0o2750)
    (root / "srv").symlink_to("/var")
    (root / "loop").symlink_to("loop")
    (root / "near").symlink_to("var/data")
    return root


@pytest.fixture
def disk(tmp_path: Path, machine: Path) -> Disk:
    return Disk(f"{tmp_path}/disk", Outline((Point("/", (str(machine),)),), ("/root", "/tmp")))


def top(tmp_path: Path) -> Path:
    return tmp_path / "disk" / "0" / "changes"


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/data", "/data"),
        ("/srv/data/x", "/var/data/x"),
        ("/near/../x", "/var/x"),
        ("/none/../../x", "/x"),
        ("/var//data/./y", "/var/data/y"),
    ],
)
def test_paths_are_resolved_as_they_will_be_inside(disk: Disk, path: str, real: str) -> None:
    assert disk.resolve(path) == real


def test_links_in_a_circle_are_refused(disk: Disk) -> None:
    with pytest.raises(ValueError, match="too many links"):
        disk.resolve("/loop/x")


def test_directories_are_made_like_the_machines(disk: Disk, tmp_path: Path) -> None:
    disk.ensure("/var/data/new")
    assert stat.S_IMODE((top(tmp_path) / "var" / "data").stat().st_mode) == 0o2750
    assert stat.S_IMODE((top(tmp_path) / "var" / "data" / "new").stat().st_mode) == 0o755
    disk.ensure("/tmp/x")
    assert stat.S_IMODE((top(tmp_path) / "tmp").stat().st_mode) == 0o1777


def test_a_mount_path_is_a_link_to_the_volume(disk: Disk, tmp_path: Path) -> None:
    assert disk.link_volume("/srv/data", "vo-1") == "/"
    assert os.readlink(top(tmp_path) / "var" / "data") == "/__modal/volumes/vo-1"
    assert (top(tmp_path) / "__modal" / "volumes" / "vo-1").is_dir()


def test_a_volume_in_a_volume_is_refused(disk: Disk) -> None:
    disk.link_volume("/data", "vo-1")
    with pytest.raises(ValueError, match="/data/x lies in another volume's mount path"):
        disk.link_volume("/data/x", "vo-2")


def test_what_lies_at_another_point_is_written_there(tmp_path: Path, machine: Path) -> None:
    points = (Point("/", (str(machine),)), Point("/var", (str(machine / "var"),)))
    disk = Disk(f"{tmp_path}/disk", Outline(points, ()))
    disk.prepare()
    assert disk.link_volume("/var/x", "vo-1") == "/var"
    assert (tmp_path / "disk" / "1" / "changes" / "x").is_symlink()
    assert (top(tmp_path) / "var").is_dir()


def test_loose_entries_are_written(tmp_path: Path, machine: Path) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 localhost")
    outline = Outline(
        (Point("/", (str(machine),)),), (), (("/bin", "usr/bin"),), (str(tmp_path / "hosts"),)
    )
    Disk(f"{tmp_path}/disk", outline).prepare()
    assert os.readlink(top(tmp_path) / "bin") == "usr/bin"
    copied = top(tmp_path) / str(tmp_path / "hosts").lstrip("/")
    assert copied.read_text() == "127.0.0.1 localhost"

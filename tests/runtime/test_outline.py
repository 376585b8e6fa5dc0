"""Of which directories a root is made; decided on paper, from tables of mounts."""

import os
from pathlib import Path

import pytest

from modal_emulator.runtime.job import Isolation
from modal_emulator.runtime.mountinfo import Mounted
from modal_emulator.runtime.outline import Outline, Point, below, draw, python_needs


def ext4(*paths: str) -> list[Mounted]:
    return [Mounted(path, "ext4") for path in paths]


def drawn(isolation: Isolation, mounts: list[Mounted], needs: tuple[str, ...] = ()) -> Outline:
    return draw(isolation, ("/f",), needs, mounts, "/veil")


def test_root_stacks_the_whole_machine_at_once() -> None:
    outline = drawn(Isolation.ROOT, ext4("/"))
    assert outline.points == (Point("/", ("/f", "/veil", "/")),)


def test_what_is_mounted_is_stacked_for_itself() -> None:
    mounts = [*ext4("/", "/boot", "/usr", "/var/lib/docker/x"), Mounted("/etc", "nfs4")]
    mounts += [Mounted("/proc", "proc"), Mounted("/dev/shm", "tmpfs"), Mounted("/home", "autofs")]
    assert [point.path for point in drawn(Isolation.ROOT, mounts).points] == ["/", "/usr", "/etc"]


def test_a_mounted_file_is_copied() -> None:
    assert drawn(Isolation.ROOT, ext4("/", "/etc/hosts")).copies == ("/etc/hosts",)


def test_what_is_mounted_in_fresh_directories_stays_away() -> None:
    assert len(drawn(Isolation.ROOT, ext4("/", "/tmp", "/root")).points) == 1


def test_python_is_shown_in_fresh_directories() -> None:
    needs = ("/root/.pyenv/versions/3.11", "/usr")
    outline = drawn(Isolation.ROOT, ext4("/"), needs)
    assert [point.path for point in outline.points] == ["/", "/root/.pyenv/versions/3.11"]
    assert outline.fresh == ("/root", "/tmp")


def test_python_right_in_a_fresh_directory_keeps_it_as_it_is() -> None:
    assert drawn(Isolation.ROOT, ext4("/"), ("/root",)).fresh == ("/tmp",)


def test_a_user_stacks_each_directory() -> None:
    outline = drawn(Isolation.USER, ext4("/", "/proc", "/dev"))
    names = {name for name in os.listdir("/") if os.path.isdir(f"/{name}")}
    links = {name for name in os.listdir("/") if os.path.islink(f"/{name}")}
    fresh = {"root", "tmp", "proc", "sys", "dev", "boot", "snap"}
    assert {point.path for point in outline.points[1:]} == {f"/{n}" for n in names - links - fresh}
    assert dict(outline.links) == {f"/{name}": os.readlink(f"/{name}") for name in links}
    assert outline.points[0] == Point("/", ("/f",))


def test_a_user_goes_into_directories_that_hold_mounts(tmp_path: Path) -> None:
    outline = drawn(Isolation.USER, ext4("/", "/usr/local/share"))
    paths = [point.path for point in outline.points]
    assert "/usr" not in paths and "/usr/local" not in paths
    assert {"/usr/bin", "/usr/local/share", "/usr/local/lib"} <= set(paths)


def test_what_the_kernel_keeps_under_a_name_is_not_copied(tmp_path: Path) -> None:
    mounts = [*ext4("/"), Mounted("/etc/passwd", "nsfs")]
    copies = drawn(Isolation.USER, mounts).copies
    assert "/etc/group" in copies and "/etc/passwd" not in copies


def test_a_path_is_seen_through_its_nearest_point() -> None:
    outline = Outline((Point("/", ("/f", "/")), Point("/usr", ("/f/usr", "/usr"))), ("/root",))
    assert outline.owner("/usr/lib").path == "/usr"
    assert outline.owner("/usrlocal").path == "/"
    assert list(outline.sources("/usr/lib")) == ["/f/usr/lib", "/usr/lib"]
    assert list(outline.sources("/root/x")) == ["/f/root/x"]
    assert list(outline.sources("/etc")) == ["/f/etc", "//etc"]


@pytest.mark.parametrize(
    ("path", "top", "rest"),
    [("/", "/", ""), ("/a", "/", "/a"), ("/a/b", "/a", "/b"), ("/a", "/a", "")],
)
def test_below(path: str, top: str, rest: str) -> None:
    assert below(path, top) == rest


def test_python_needs_are_directories_none_in_another() -> None:
    needs = python_needs()
    assert all(os.path.exists(need) for need in needs)
    assert not [a for a in needs for b in needs if a != b and a.startswith(f"{b}/")]


def test_a_project_in_a_fresh_directory_is_not_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["/", "/tmp", "/root", "/usr/lib"])
    assert not {"/", "/tmp", "/root"} & set(python_needs())

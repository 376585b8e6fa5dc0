"""Mounts of one directory of a volume."""

import errno
import os

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, live_tested
from modal_contracts.scene import DATA, Scene, content, paths, upload
from modal_contracts.target import Capability

__all__ = ()

OPTIONS = "1.4.3"
ORDINARY = assumed(
    "a sub-path is said to be a mount of a directory; all else is assumed to be ordinary"
)
UNKNOWN = assumed("what the service does with it is not known; it is assumed not to let it pass")

sub_paths = [Capability.SUB_PATHS]


@both_versions
@clause(
    "volumes/a-sub-path-shows-only-its-directory",
    documented("guide/volumes"),
    since=OPTIONS,
    needs=sub_paths,
)
def test_a_sub_path_shows_only_its_directory(scene: Scene, version: int) -> None:
    """A container that mounts a directory of a volume sees what is in it, not its siblings."""
    volume = scene.volume(version)
    upload(volume, {"users/me/a.txt": b"1", "users/you/b.txt": b"2", "c.txt": b"3"})
    container = scene.container(volume.with_mount_options(sub_path="/users/me"))
    assert container.names() == ["a.txt"]


@both_versions
@clause(
    "volumes/a-file-below-a-sub-path-lands-in-its-directory",
    live_tested("js/test/sandbox.test.ts", "SandboxWithSubPathVolume"),
    since=OPTIONS,
    needs=sub_paths,
)
def test_a_file_below_a_sub_path_lands_in_its_directory(scene: Scene, version: int) -> None:
    """What is written below the mount lies in the directory, seen from the whole volume."""
    volume = scene.volume(version)
    upload(volume, {"users/me/a.txt": b"1", "c.txt": b"3"})
    container = scene.container(volume.with_mount_options(sub_path="users/me"))
    container.write("deep/new.txt", "2")
    container.remove("a.txt")
    container.commit()
    assert paths(volume) == ["c.txt", "users", "users/me", "users/me/deep", "users/me/deep/new.txt"]
    assert content(volume, "users/me/deep/new.txt") == b"2"


@both_versions
@clause(
    "volumes/a-missing-sub-path-is-made",
    documented("guide/volumes"),
    since=OPTIONS,
    needs=sub_paths,
)
def test_a_missing_sub_path_is_made(scene: Scene, version: int) -> None:
    """A sub-path that does not exist is an empty directory in the container, and takes files."""
    volume = scene.volume(version, c="3")
    container = scene.container(volume.with_mount_options(sub_path="/users/new"))
    assert container.names() == []
    container.write("a.txt", "1")
    container.commit()
    assert content(volume, "users/new/a.txt") == b"1"


@clause(
    "volumes/a-sub-path-is-reloaded-with-the-volume",
    ORDINARY,
    since=OPTIONS,
    needs=sub_paths,
)
def test_a_sub_path_is_reloaded_with_the_volume(scene: Scene) -> None:
    """A container on a sub-path sees news below it once it reloads, and not before."""
    volume = scene.volume()
    reader = scene.container(volume.with_mount_options(sub_path="/sub"))
    reader.start()
    upload(volume, {"sub/a.txt": b"1", "other.txt": b"2"})
    assert reader.names() == []
    reader.run(bodies.reload, volume)
    assert reader.names() == ["a.txt"]


@clause("volumes/two-sub-paths-are-merged-as-any-changes", ORDINARY, since=OPTIONS, needs=sub_paths)
def test_two_sub_paths_are_merged_as_any_changes(scene: Scene) -> None:
    """Containers on different directories of a volume commit both, and see their own only."""
    volume = scene.volume(top="1")
    mine = scene.container(volume.with_mount_options(sub_path="/users/mine"))
    yours = scene.container(volume.with_mount_options(sub_path="/users/yours"))
    mine.start()
    yours.start()
    for container, text in ((mine, "1"), (yours, "2")):
        container.write("a.txt", text)
        container.run(bodies.commit, volume)
    assert content(volume, "users/mine/a.txt") == b"1"
    assert content(volume, "users/yours/a.txt") == b"2"
    mine.run(bodies.reload, volume)
    assert mine.names() == ["a.txt"]
    assert mine.read("a.txt") == "1"


@clause("volumes/a-sub-path-may-be-nested-and-missing", ORDINARY, since=OPTIONS, needs=sub_paths)
def test_a_sub_path_may_be_nested_and_missing(scene: Scene) -> None:
    """All directories on the way of a sub-path are made."""
    volume = scene.volume()
    container = scene.container(volume.with_mount_options(sub_path="/one/two/three"))
    container.write("a.txt", "1")
    container.commit()
    assert paths(volume) == ["one", "one/two", "one/two/three", "one/two/three/a.txt"]


@clause(
    "volumes/an-open-file-below-a-sub-path-refuses-a-reload",
    ORDINARY,
    since=OPTIONS,
    needs=[*sub_paths, Capability.OPEN_FILES, Capability.REAL_PATHS],
)
def test_an_open_file_below_a_sub_path_refuses_a_reload(scene: Scene) -> None:
    """A reload is refused for a sub-path, too, and the file is named from the mount on."""
    volume = scene.volume()
    upload(volume, {"users/me/a.txt": b"1"})
    container = scene.container(volume.with_mount_options(sub_path="/users/me"))
    with pytest.raises(RuntimeError) as refusal:
        container.run(bodies.reload_while_open, volume, f"{DATA}/a.txt", "rb")
    text = "there are open files preventing the operation: path a.txt is open"
    assert str(refusal.value) == text


@pytest.mark.parametrize("path", ["..", "/users/../..", "/users/../other"])
@clause("volumes/a-sub-path-does-not-lead-upwards", UNKNOWN, since=OPTIONS, needs=sub_paths)
def test_a_sub_path_does_not_lead_upwards(scene: Scene, path: str) -> None:
    """A sub-path with `..` is refused when the app starts."""
    volume = scene.volume(a="1")
    with pytest.raises(modal.exception.InvalidError):
        scene.container(volume.with_mount_options(sub_path=path))


@clause("volumes/a-sub-path-is-a-directory", UNKNOWN, since=OPTIONS, needs=sub_paths)
def test_a_sub_path_is_a_directory(scene: Scene) -> None:
    """A container whose sub-path is a file, or a link, does not start."""
    volume = scene.volume(a="1")
    container = scene.container(volume)
    container.run(os.symlink, "/etc", f"{DATA}/link")
    container.commit()
    for path in ("/a.txt", "/link"):
        wrong = scene.container(volume.with_mount_options(sub_path=path))
        with pytest.raises(modal.exception.Error):
            wrong.start()


@clause(
    "volumes/a-missing-sub-path-is-empty-when-read-only",
    assumed("a missing sub-path is said to be made; a read-only mount is assumed to show it empty"),
    since=OPTIONS,
    needs=[*sub_paths, Capability.READ_ONLY_MOUNTS],
)
def test_a_missing_sub_path_is_empty_when_read_only(scene: Scene) -> None:
    """A read-only mount of a missing directory is empty, takes nothing, and leaves no trace."""
    volume = scene.volume(a="1")
    mount = volume.with_mount_options(sub_path="/missing", read_only=True)
    container = scene.container(mount)
    assert container.names() == []
    number = container.run(bodies.error_number, bodies.write, f"{DATA}/b.txt", "2")
    assert number == errno.EROFS
    assert paths(volume) == ["a.txt"]

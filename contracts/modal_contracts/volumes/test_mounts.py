"""Where volumes appear in a container, and what is asked of mount paths."""

from pathlib import PurePosixPath
from typing import Any

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred, observed
from modal_contracts.scene import DATA, Scene, content, paths
from modal_contracts.target import Capability

__all__ = ()

PATHS = inferred("modal/_utils/mount_utils.py", "validate_mount_points")


@clause(
    "volumes/a-mount-path-is-a-link-to-the-volume",
    observed("users find /__modal/volumes/vo-… in resolved paths, manifests and caches"),
    needs=[Capability.REAL_PATHS],
)
def test_a_mount_path_is_a_link_to_the_volume(scene: Scene) -> None:
    """The volume lies at /__modal/volumes/<id>, and the mount path is a symbolic link to there."""
    volume = scene.volume(a="1")
    container = scene.container(volume)
    place = f"/__modal/volumes/{volume.object_id}"
    assert container.run(bodies.link_target, DATA) == place
    assert container.run(bodies.real_path, f"{DATA}/a.txt") == f"{place}/a.txt"


@clause("volumes/each-volume-has-its-own-files", documented("guide/volumes"))
def test_each_volume_has_its_own_files(scene: Scene) -> None:
    """Two volumes in one container are apart, and a commit of one leaves the other alone."""
    first, second = scene.volume(a="1"), scene.volume(b="2")
    container = scene.container({"/mnt/first": first, "/mnt/second": second})
    container.run(bodies.write, "/mnt/first/new.txt", "1")
    container.run(bodies.commit, first)
    assert container.run(bodies.names, "/mnt/first") == ["a.txt", "new.txt"]
    assert container.run(bodies.names, "/mnt/second") == ["b.txt"]
    assert paths(first) == ["a.txt", "new.txt"]
    assert paths(second) == ["b.txt"]


@clause(
    "volumes/what-is-written-beside-the-mount-is-not-in-the-volume", documented("guide/volumes")
)
def test_what_is_written_beside_the_mount_is_not_in_the_volume(scene: Scene) -> None:
    """A file at `/xyz.txt` is not in the volume mounted at `/data`."""
    volume = scene.volume()
    container = scene.container(volume)
    container.run(bodies.write, "/tmp/xyz.txt", "lost")
    container.commit()
    assert paths(volume) == []


@clause(
    "volumes/programs-see-the-volume",
    assumed("the mount is a part of the container's file system, which programs share"),
    needs=[Capability.PROGRAMS],
)
def test_programs_see_the_volume(scene: Scene) -> None:
    """A program that a function starts reads and writes the volume at the same path."""
    volume = scene.volume(a="1")
    container = scene.container(volume)
    script = f"cat {DATA}/a.txt; printf 2 > {DATA}/b.txt"
    assert container.run(bodies.run_program, ["sh", "-c", script]) == (0, "1", "")
    container.commit()
    assert content(volume, "b.txt") == b"2"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("data", "Volume data must be a canonical, absolute path."),
        ("/a/../b", "Volume /a/../b must be a canonical, absolute path."),
        ("/", "Volume / cannot be mounted into root directory."),
        ("/root", "Volume /root cannot be mounted at '/root'."),
        ("/tmp", "Volume /tmp cannot be mounted at '/tmp'."),
        (PurePosixPath("/tmp"), "Volume /tmp cannot be mounted at '/tmp'."),
    ],
    ids=str,
)
@clause("volumes/some-mount-paths-are-refused", PATHS)
def test_some_mount_paths_are_refused(path: Any, text: str) -> None:
    """Relative paths, `/`, `/root` and `/tmp` are refused when the function is declared."""
    volume = modal.Volume.from_name("never-looked-up")
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.App().function(volumes={path: volume})(bodies.names)
    assert str(refusal.value) == text


@pytest.mark.parametrize("path", ["/data/", "/root/data", "/tmp/data", "/mnt/a/b"])
@clause("volumes/other-mount-paths-are-taken", PATHS)
def test_other_mount_paths_are_taken(scene: Scene, path: str) -> None:
    """A slash at the end, and directories below `/root` and `/tmp`, are no reason to refuse."""
    container = scene.container({path: scene.volume(a="1")})
    assert container.run(bodies.names, path) == ["a.txt"]


@clause(
    "volumes/a-volume-is-mounted-once",
    inferred("modal/_utils/mount_utils.py", "validate_volumes"),
)
def test_a_volume_is_mounted_once() -> None:
    """The same volume at two paths of one function is refused, naming both."""
    volume = modal.Volume.from_name("never-looked-up")
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.App().function(volumes={"/a": volume, "/b": volume})(bodies.names)
    assert str(refusal.value) == (
        "The same Volume cannot be mounted in multiple locations for the same function: /a, /b"
    )


@clause(
    "volumes/a-volume-under-two-handles-is-mounted-once",
    inferred("modal/_utils/mount_utils.py", "validate_volumes_by_object_id"),
)
def test_a_volume_under_two_handles_is_mounted_once(scene: Scene) -> None:
    """The same volume by two handles is refused as well, when the app starts."""
    volume = scene.volume()
    name = scene.name_of(volume)
    one, other = modal.Volume.from_name(name), modal.Volume.from_name(name)
    with pytest.raises(modal.exception.InvalidError) as refusal:
        scene.container({"/b": one, "/a": other})
    assert str(refusal.value) == (
        "The same Volume cannot be mounted in multiple locations for the same function: /a, /b"
    )


@clause(
    "volumes/a-mount-inside-another-is-refused",
    assumed("the SDK does not check it, and what the service does is not known"),
)
def test_a_mount_inside_another_is_refused(scene: Scene) -> None:
    """A volume cannot be mounted inside another one's mount; the refusal names both paths."""
    outer, inner = scene.volume(), scene.volume()
    with pytest.raises(modal.exception.InvalidError) as refusal:
        scene.container({"/a/b": inner, "/a": outer})
    assert "/a/b" in str(refusal.value)


@clause(
    "volumes/a-mount-hides-what-was-there",
    assumed("nothing says that a directory of the image must be empty to be mounted over"),
)
def test_a_mount_hides_what_was_there(scene: Scene) -> None:
    """A volume at a directory of the image that holds files hides them, and they stay as is."""
    container = scene.container({"/etc/ssl": scene.volume(a="1")})
    assert container.run(bodies.names, "/etc/ssl") == ["a.txt"]


@clause(
    "volumes/only-volumes-are-mounted",
    inferred("modal/_utils/mount_utils.py", "validate_volumes"),
)
def test_only_volumes_are_mounted() -> None:
    """Anything else at a mount path is refused, naming its type."""
    wrong: Any = "a name"
    with pytest.raises(modal.exception.InvalidError) as refusal:
        modal.App().function(volumes={"/a": wrong})(bodies.names)
    assert str(refusal.value) == (
        "Object of type <class 'str'> mounted at '/a' is not usable as a volume."
    )


@clause(
    "volumes/a-volume-keeps-its-mount-by-id",
    documented("guide/volumes"),
)
def test_a_volume_keeps_its_mount_by_id(scene: Scene) -> None:
    """A running app has its volume by id: a rename does not disturb it."""
    name, new = scene.unused_name(), scene.unused_name()
    volume = modal.Volume.from_name(name, create_if_missing=True)
    container = scene.container(volume)
    container.write("a.txt", "1")
    modal.Volume.rename(name, new)
    container.commit()
    assert content(modal.Volume.from_name(new), "a.txt") == b"1"

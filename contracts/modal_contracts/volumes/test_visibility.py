"""Who sees what, and from when on."""

from modal_contracts import bodies
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, inferred, live_tested
from modal_contracts.scene import DATA, Scene, content, paths, upload

__all__ = ()


@both_versions
@clause("volumes/commit-is-seen-after-reload", documented("guide/volumes"))
def test_commit_is_seen_after_reload(scene: Scene, version: int) -> None:
    """
    What one container commits, another sees once it reloads, and not before.

    The four steps of Modal's guide: absent, committed, still absent in the warm reader, present.
    """
    writer, reader = scene.containers(2, scene.volume(version))
    assert reader.names() == []
    writer.write("xyz.txt", "hello")
    writer.commit()
    assert reader.names() == []
    reader.reload()
    assert reader.names() == ["xyz.txt"]
    assert reader.read("xyz.txt") == "hello"


@both_versions
@clause("volumes/a-new-container-sees-what-was-committed", documented("guide/volumes"))
def test_a_new_container_sees_what_was_committed(scene: Scene, version: int) -> None:
    """A container starts with the newest committed state."""
    writer, reader = scene.containers(2, scene.volume(version))
    writer.write("a.txt", "1")
    writer.commit()
    assert reader.read("a.txt") == "1"


@both_versions
@clause("volumes/own-writes-are-seen-at-once", documented("guide/volumes"))
def test_own_writes_are_seen_at_once(scene: Scene, version: int) -> None:
    """A container sees its own writes in later calls without a commit."""
    container = scene.container(scene.volume(version))
    container.write("a.txt", "1")
    container.write("a.txt", "2")
    assert container.read("a.txt") == "2"


@both_versions
@clause("volumes/uncommitted-writes-stay-inside", documented("guide/volumes"))
def test_uncommitted_writes_stay_inside(scene: Scene, version: int) -> None:
    """
    What a container wrote is not in the volume before a commit.

    It looks in the same call that writes, so that a background commit can hardly come between.
    """
    volume = scene.volume(version)
    scene.stop_time()
    container = scene.container(volume)
    container.start()
    seen = container.run(bodies.write_and_look_from_outside, volume, f"{DATA}/a.txt", "1")
    assert seen == []


@clause("volumes/a-warm-container-keeps-its-view", documented("guide/volumes"))
def test_a_warm_container_keeps_its_view(scene: Scene) -> None:
    """A warm container that does not reload reads the old content, however often it looks."""
    volume = scene.volume(a="old")
    writer, reader = scene.containers(2, volume)
    assert reader.read("a.txt") == "old"
    writer.write("a.txt", "new")
    writer.commit()
    assert [reader.read("a.txt") for _ in range(5)] == ["old"] * 5


@clause("volumes/a-warm-container-keeps-what-others-removed", documented("guide/volumes"))
def test_a_warm_container_keeps_what_others_removed(scene: Scene) -> None:
    """A file that another container removed stays readable until the reload."""
    volume = scene.volume(a="1")
    writer, reader = scene.containers(2, volume)
    reader.start()
    writer.remove("a.txt")
    writer.commit()
    assert reader.read("a.txt") == "1"
    reader.reload()
    assert reader.names() == []


@both_versions
@clause(
    "volumes/a-commit-does-not-show-what-others-committed",
    assumed(
        "the SDK reloads after a commit only if the server asks for it, and maintainers say that "
        "the server stopped asking when background commits came"
    ),
)
def test_a_commit_does_not_show_what_others_committed(scene: Scene, version: int) -> None:
    """A commit publishes; it does not bring in what others published."""
    first, second = scene.containers(2, scene.volume(version))
    second.start()
    first.write("first.txt", "1")
    first.commit()
    second.write("second.txt", "2")
    second.commit()
    assert second.names() == ["second.txt"]
    second.reload()
    assert second.names() == ["first.txt", "second.txt"]


@both_versions
@clause(
    "volumes/a-reload-commits-what-is-pending",
    live_tested("js/test/sandbox.test.ts", "SandboxReloadVolumes"),
)
def test_a_reload_commits_what_is_pending(scene: Scene, version: int) -> None:
    """A reload publishes what the container wrote, and keeps it in view."""
    first, second = scene.containers(2, scene.volume(version))
    first.start()
    second.start()
    first.write("a.txt", "1")
    first.reload()
    assert first.names() == ["a.txt"]
    assert second.names() == []
    second.reload()
    assert second.names() == ["a.txt"]


@clause(
    "volumes/a-reload-brings-news-and-keeps-what-is-pending",
    documented("sdk/py/latest/modal.Volume"),
)
def test_a_reload_brings_news_and_keeps_what_is_pending(scene: Scene) -> None:
    """A reload that has both to publish and to fetch loses neither."""
    first, second = scene.containers(2, scene.volume())
    second.start()
    first.write("first.txt", "1")
    first.commit()
    second.write("second.txt", "2")
    second.reload()
    assert second.names() == ["first.txt", "second.txt"]


@both_versions
@clause("volumes/a-commit-is-seen-from-outside-at-once", inferred("modal/volume.py", "_Volume"))
def test_a_commit_is_seen_from_outside_at_once(scene: Scene, version: int) -> None:
    """What was committed can be listed and read through the service without a reload."""
    volume = scene.volume(version)
    container = scene.container(volume)
    container.write("deep/er/a.txt", "1")
    container.commit()
    assert paths(volume) == ["deep", "deep/er", "deep/er/a.txt"]
    assert content(volume, "deep/er/a.txt") == b"1"


@both_versions
@clause("volumes/an-upload-needs-no-commit", inferred("modal/volume.py", "_Volume.batch_upload"))
def test_an_upload_needs_no_commit(scene: Scene, version: int) -> None:
    """Uploaded files are there at once for the service and for containers that start."""
    volume = scene.volume(version)
    upload(volume, {"a.txt": b"1"})
    assert content(volume, "a.txt") == b"1"
    assert scene.container(volume).read("a.txt") == "1"


@both_versions
@clause(
    "volumes/an-upload-is-seen-after-reload", inferred("modal/volume.py", "_Volume.batch_upload")
)
def test_an_upload_is_seen_after_reload(scene: Scene, version: int) -> None:
    """A running container sees an upload once it reloads, and not before."""
    volume = scene.volume(version)
    reader = scene.container(volume)
    reader.start()
    upload(volume, {"a.txt": b"1"})
    assert reader.names() == []
    reader.reload()
    assert reader.names() == ["a.txt"]


@clause(
    "volumes/a-removal-from-outside-is-seen-after-reload",
    inferred("modal/volume.py", "_Volume.remove_file"),
)
def test_a_removal_from_outside_is_seen_after_reload(scene: Scene) -> None:
    """A running container keeps a file that was removed through the service until it reloads."""
    volume = scene.volume(a="1", b="2")
    reader = scene.container(volume)
    reader.start()
    volume.remove_file("a.txt")
    assert reader.names() == ["a.txt", "b.txt"]
    reader.reload()
    assert reader.names() == ["b.txt"]


@clause("volumes/a-path-that-was-missing-is-found-after-reload", documented("guide/volumes"))
def test_a_path_that_was_missing_is_found_after_reload(scene: Scene) -> None:
    """To have looked for a path before it was there does not hide it later."""
    volume = scene.volume()
    reader = scene.container(volume)
    for _ in range(2):
        assert not reader.run(bodies.exists, f"{DATA}/deep/a.txt")
    upload(volume, {"deep/a.txt": b"1"})
    reader.reload()
    assert reader.run(bodies.exists, f"{DATA}/deep/a.txt")
    assert reader.read("deep/a.txt") == "1"

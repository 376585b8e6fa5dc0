"""What a commit takes with it, and what else commits."""

import pytest

from modal_contracts import bodies
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, inferred, observed
from modal_contracts.scene import DATA, Scene, content, paths
from modal_contracts.target import Capability

__all__ = ()

LIFECYCLE = inferred("modal/_runtime/user_code_imports.py", "Service.lifecycle_context")


@both_versions
@clause("volumes/a-later-commit-takes-what-came-after", documented("guide/volumes"))
def test_a_later_commit_takes_what_came_after(scene: Scene, version: int) -> None:
    """Each commit publishes what changed since the one before, also in the same file."""
    volume = scene.volume(version)
    container = scene.container(volume)
    for text in ("1", "22", "3"):
        container.write("a.txt", text)
        container.commit()
        assert content(volume, "a.txt") == text.encode()


@clause(
    "volumes/a-commit-without-changes-is-no-error",
    inferred(
        "modal/_runtime/task_lifecycle_manager.py",
        "_TaskLifecycleManager.volume_commit",
    ),
)
def test_a_commit_without_changes_is_no_error(scene: Scene) -> None:
    """A commit with nothing to publish succeeds and changes nothing."""
    volume = scene.volume(a="1")
    container = scene.container(volume)
    container.commit()
    container.commit()
    assert paths(volume) == ["a.txt"]


@both_versions
@clause("volumes/a-removal-is-committed", documented("sdk/py/latest/modal.Volume"))
def test_a_removal_is_committed(scene: Scene, version: int) -> None:
    """A commit publishes that files and whole directories are gone."""
    volume = scene.volume(version)
    container = scene.container(volume)
    for name in ("a.txt", "tree/b.txt", "tree/deep/c.txt"):
        container.write(name, "1")
    container.commit()
    container.remove("a.txt")
    container.remove("tree")
    container.commit()
    assert paths(volume) == []


@both_versions
@clause("volumes/a-renamed-directory-is-committed", documented("examples/cron_datasette"))
def test_a_renamed_directory_is_committed(scene: Scene, version: int) -> None:
    """A directory that was committed before can be renamed within the volume, with all in it."""
    volume = scene.volume(version)
    container = scene.container(volume)
    container.write("old/deep/a.txt", "1")
    container.commit()
    container.run(bodies.move, f"{DATA}/old", f"{DATA}/new")
    container.commit()
    assert paths(volume) == ["new", "new/deep", "new/deep/a.txt"]
    assert content(volume, "new/deep/a.txt") == b"1"


@both_versions
@clause(
    "volumes/a-file-replaced-by-rename-is-committed",
    observed("write to a temporary name, then os.replace, is a common idiom on Volumes"),
)
def test_a_file_replaced_by_rename_is_committed(scene: Scene, version: int) -> None:
    """A file that is moved over another one takes its place."""
    volume = scene.volume(version, a="old")
    container = scene.container(volume)
    container.write("a.tmp", "new")
    container.run(bodies.move, f"{DATA}/a.tmp", f"{DATA}/a.txt")
    container.commit()
    assert paths(volume) == ["a.txt"]
    assert content(volume, "a.txt") == b"new"


@clause(
    "volumes/a-directory-replaced-by-a-file-is-committed",
    assumed("a directory is a path as any other; it is assumed that the newer kind takes it"),
)
def test_a_directory_replaced_by_a_file_is_committed(scene: Scene) -> None:
    """A file may take the path of a directory that was removed, and the other way round."""
    volume = scene.volume()
    container = scene.container(volume)
    container.write("x/a.txt", "1")
    container.commit()
    container.remove("x")
    container.write("x", "a file now")
    container.commit()
    assert paths(volume) == ["x"]
    container.remove("x")
    container.write("x/b.txt", "2")
    container.commit()
    assert paths(volume) == ["x", "x/b.txt"]


@clause(
    "volumes/empty-files-and-directories-are-committed",
    assumed("entries of both kinds are listed; it is assumed that none needs content to exist"),
)
def test_empty_files_and_directories_are_committed(scene: Scene) -> None:
    """An empty file and an empty directory are published, too."""
    volume = scene.volume()
    writer, reader = scene.containers(2, volume)
    writer.write("empty.txt", "")
    writer.run(bodies.make_directory, f"{DATA}/hollow/er")
    writer.commit()
    assert paths(volume) == ["empty.txt", "hollow", "hollow/er"]
    assert content(volume, "empty.txt") == b""
    assert reader.names("hollow/er") == []


@clause("volumes/a-symbolic-link-is-committed", inferred("modal/types.py", "FileEntryType.SYMLINK"))
def test_a_symbolic_link_is_committed(scene: Scene) -> None:
    """A symbolic link is published as a link, not as what it points to."""
    writer, reader = scene.containers(2, scene.volume(a="1"))
    writer.run(bodies.symlink, "a.txt", f"{DATA}/link.txt")
    writer.commit()
    assert reader.run(bodies.link_target, f"{DATA}/link.txt") == "a.txt"
    assert reader.read("link.txt") == "1"


@clause(
    "volumes/names-beyond-ascii-are-kept",
    assumed("paths travel as text in UTF-8, so any character but slash and NUL is assumed to do"),
)
def test_names_beyond_ascii_are_kept(scene: Scene) -> None:
    """Names with spaces, accents and other scripts come back as they were written."""
    names = sorted(["a b.txt", "naïve.txt", "数据.txt", "🎉.txt", "-dash", "quo'te\".txt"])
    volume = scene.volume()
    writer, reader = scene.containers(2, volume)
    for name in names:
        writer.write(name, name)
    writer.commit()
    assert paths(volume) == names
    assert reader.names() == names
    assert [content(volume, name).decode() for name in names] == names


@both_versions
@clause("volumes/an-open-file-does-not-hinder-a-commit", documented("guide/volumes"))
def test_an_open_file_does_not_hinder_a_commit(scene: Scene, version: int) -> None:
    """
    A commit takes what was written to a file that is still open.

    The guide says that commits run in the background while programs go on.
    """
    volume = scene.volume(version)
    container = scene.container(volume)
    container.run(bodies.commit_while_open, volume, f"{DATA}/a.txt", "half way")
    assert content(volume, "a.txt") == b"half way"


@both_versions
@clause("volumes/a-container-commits-when-it-ends", documented("guide/volumes"))
def test_a_container_commits_when_it_ends(scene: Scene, version: int) -> None:
    """What a container wrote is there after it ended, without a commit in its code."""
    volume = scene.volume(version)
    scene.run_once(bodies.write, f"{DATA}/a.txt", "1", volumes=volume)
    assert content(volume, "a.txt") == b"1"


@clause("volumes/a-container-commits-when-its-input-raised", LIFECYCLE)
def test_a_container_commits_when_its_input_raised(scene: Scene) -> None:
    """The commit at the end also comes when the function raised."""
    volume = scene.volume()
    with pytest.raises(ArithmeticError, match="on purpose"):
        scene.run_once(bodies.write_and_fail, f"{DATA}/a.txt", "1", volumes=volume)
    assert content(volume, "a.txt") == b"1"


@clause("volumes/a-container-commits-when-its-start-raised", LIFECYCLE, since="1.6.4")
def test_a_container_commits_when_its_start_raised(scene: Scene) -> None:
    """The commit at the end also comes when a method marked with `modal.enter` raised."""
    volume = scene.volume()
    with pytest.raises(Exception):  # noqa: B017 - in what words Modal reports it is not the claim
        scene.object(bodies.BadStart, volume).never.remote()
    scene.settle()
    assert content(volume, "start.txt") == b"before the failure"


@clause(
    "volumes/a-last-commit-that-fails-fails-nothing-else",
    inferred(
        "modal/_runtime/task_lifecycle_manager.py",
        "_TaskLifecycleManager.volume_commit",
    ),
    since="1.1.2",
)
def test_a_last_commit_that_fails_fails_nothing_else(scene: Scene) -> None:
    """A call whose container cannot commit at its end returns as if it could."""
    volume = scene.volume()
    assert scene.run_once(bodies.delete_volume, scene.name_of(volume), volumes=volume) == "deleted"


@clause("volumes/the-last-commit-takes-what-exit-handlers-wrote", LIFECYCLE)
def test_the_last_commit_takes_what_exit_handlers_wrote(scene: Scene) -> None:
    """What a method marked with `modal.exit` writes is in the commit at the end."""
    volume = scene.volume()
    scene.object(bodies.Farewell, volume).write_at_exit.remote(f"{DATA}/bye.txt", "farewell")
    scene.settle()
    assert content(volume, "bye.txt") == b"farewell"


@both_versions
@clause(
    "volumes/a-killed-container-keeps-what-it-committed",
    documented("sdk/py/latest/modal.Volume"),
    needs=[Capability.SUDDEN_DEATH],
)
def test_a_killed_container_keeps_what_it_committed(scene: Scene, version: int) -> None:
    """What was committed is durable, though the container is killed a moment later."""
    volume = scene.volume(version)
    container = scene.container(volume)
    container.write("a.txt", "1")
    container.commit()
    with pytest.raises(Exception):  # noqa: B017 - in what words Modal reports it is not the claim
        container.run(bodies.die)
    assert content(volume, "a.txt") == b"1"


@clause("volumes/a-running-container-commits-in-the-background", documented("guide/volumes"))
def test_a_running_container_commits_in_the_background(scene: Scene) -> None:
    """While a container runs, what it wrote is published every few seconds without its doing."""
    volume = scene.volume()
    scene.container(volume).write("a.txt", "1")
    assert scene.eventually(lambda: paths(volume) == ["a.txt"])


@clause(
    "volumes/a-commit-needs-a-mount",
    observed("several projects quote the error of a commit on their own machine"),
)
def test_a_commit_needs_a_mount(scene: Scene) -> None:
    """Outside containers a commit is refused in these words."""
    with pytest.raises(RuntimeError) as refusal:
        scene.volume().commit()
    assert (
        str(refusal.value) == "commit() can only be called on a mounted volume inside a container"
    )


@clause(
    "volumes/a-commit-needs-a-mount-in-this-container",
    observed("processes inside Sandboxes without the mount report the same words as on a laptop"),
)
def test_a_commit_needs_a_mount_in_this_container(scene: Scene) -> None:
    """A container cannot commit a volume that it has not mounted."""
    mounted, other = scene.volume(), scene.volume()
    container = scene.container(mounted)
    with pytest.raises(RuntimeError) as refusal:
        container.run(bodies.commit, other)
    assert (
        str(refusal.value) == "commit() can only be called on a mounted volume inside a container"
    )

"""What two containers get who changed the same volume."""

from modal_contracts import bodies
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented
from modal_contracts.scene import DATA, Scene, content, paths, upload

__all__ = ()

A = f"{DATA}/a.txt"

DIFFERENCE = (
    "the guide names the file as what is merged; it is assumed that a commit carries the paths "
    "that its container changed, and nothing else"
)


@both_versions
@clause("volumes/the-last-commit-takes-the-file", documented("guide/volumes"))
def test_the_last_commit_takes_the_file(scene: Scene, version: int) -> None:
    """When two containers write the same file, the one that commits last has it."""
    volume = scene.volume(version)
    first, second = scene.containers(2, volume)
    first.start()
    second.run_and_commit(bodies.write, A, "second")
    first.run_and_commit(bodies.write, A, "written by the first")
    assert content(volume, "a.txt") == b"written by the first"


@both_versions
@clause("volumes/the-last-commit-takes-the-whole-file", documented("sdk/py/latest/modal.Volume"))
def test_the_last_commit_takes_the_whole_file(scene: Scene, version: int) -> None:
    """Two appends to one file are not merged: what the last committer lacked is lost."""
    volume = scene.volume(version, log="start\n")
    first, second = scene.containers(2, volume)
    second.start()
    first.run_and_commit(bodies.append, f"{DATA}/log.txt", "first\n")
    second.run_and_commit(bodies.append, f"{DATA}/log.txt", "second\n")
    assert content(volume, "log.txt") == b"start\nsecond\n"


@both_versions
@clause("volumes/different-files-are-both-kept", documented("guide/volumes"))
def test_different_files_are_both_kept(scene: Scene, version: int) -> None:
    """Two containers that write different files keep both, whoever commits last."""
    volume = scene.volume(version)
    first, second = scene.containers(2, volume)
    first.write("first.txt", "1")
    second.write("second.txt", "2")
    first.commit()
    second.commit()
    assert paths(volume) == ["first.txt", "second.txt"]


@both_versions
@clause("volumes/different-files-in-one-new-directory-are-both-kept", assumed(DIFFERENCE))
def test_different_files_in_one_new_directory_are_both_kept(scene: Scene, version: int) -> None:
    """Two containers that make the same directory keep the files of both in it."""
    volume = scene.volume(version)
    first, second = scene.containers(2, volume)
    first.write("shared/first.txt", "1")
    second.write("shared/second.txt", "2")
    first.commit()
    second.commit()
    assert paths(volume) == ["shared", "shared/first.txt", "shared/second.txt"]


@clause("volumes/a-commit-leaves-alone-what-it-did-not-touch", assumed(DIFFERENCE))
def test_a_commit_leaves_alone_what_it_did_not_touch(scene: Scene) -> None:
    """A container with an old view of a file does not put the old content back."""
    volume = scene.volume(a="old")
    first, second = scene.containers(2, volume)
    second.start()
    first.write("a.txt", "new")
    first.commit()
    second.write("b.txt", "1")
    second.commit()
    assert content(volume, "a.txt") == b"new"


@clause("volumes/a-commit-does-not-revive-what-others-removed", assumed(DIFFERENCE))
def test_a_commit_does_not_revive_what_others_removed(scene: Scene) -> None:
    """A container that still sees a removed file does not bring it back by committing others."""
    volume = scene.volume(a="1")
    first, second = scene.containers(2, volume)
    second.start()
    first.remove("a.txt")
    first.commit()
    second.write("b.txt", "1")
    second.commit()
    assert paths(volume) == ["b.txt"]


@clause("volumes/a-removal-takes-what-others-changed", assumed(DIFFERENCE))
def test_a_removal_takes_what_others_changed(scene: Scene) -> None:
    """A removal that is committed last wins over a change that was committed before."""
    volume = scene.volume(a="1")
    first, second = scene.containers(2, volume)
    second.start()
    first.run_and_commit(bodies.write, A, "2")
    second.run_and_commit(bodies.remove, A)
    assert paths(volume) == []


@clause("volumes/a-write-takes-what-others-removed", assumed(DIFFERENCE))
def test_a_write_takes_what_others_removed(scene: Scene) -> None:
    """A write that is committed last wins over a removal that was committed before."""
    volume = scene.volume(a="1")
    first, second = scene.containers(2, volume)
    second.start()
    first.run_and_commit(bodies.remove, A)
    second.run_and_commit(bodies.write, A, "2")
    assert content(volume, "a.txt") == b"2"


@clause("volumes/an-upload-is-a-commit-among-others", assumed(DIFFERENCE))
def test_an_upload_is_a_commit_among_others(scene: Scene) -> None:
    """A container that commits after an upload of the same file takes the file."""
    volume = scene.volume()
    container = scene.container(volume)
    container.start()
    upload(volume, {"a.txt": b"upload"})
    container.run_and_commit(bodies.write, A, "container")
    assert content(volume, "a.txt") == b"container"

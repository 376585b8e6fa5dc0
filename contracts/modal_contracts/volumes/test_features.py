"""What programs may do with files of a mounted volume, and what is left of it after a commit."""

import errno
import os
import shutil
import stat

from modal_contracts import bodies, feats
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, observed
from modal_contracts.scene import DATA, Container, Scene, content, paths, upload

__all__ = ()

A = f"{DATA}/a.txt"
ORDINARY = assumed(
    "the mount is said to be used as any directory; it is assumed that a commit takes what a "
    "program did to a file, however it did it"
)


@both_versions
@clause("volumes/directories-are-swapped-by-moves", documented("examples/cron_datasette"))
def test_directories_are_swapped_by_moves(scene: Scene, version: int) -> None:
    """A committed directory is put in the place of another by `shutil.move`, and committed."""
    volume = scene.volume(version)
    upload(volume, {"live/a.txt": b"old", "live/gone.txt": b"old", "fresh/deep/b.txt": b"new"})
    writer, reader = scene.containers(2, volume)
    reader.start()
    writer.run(shutil.move, f"{DATA}/live", f"{DATA}/old")
    writer.run(shutil.move, f"{DATA}/fresh", f"{DATA}/live")
    assert writer.names("live/deep") == ["b.txt"]
    writer.commit()
    assert paths(volume, "live") == ["live/deep", "live/deep/b.txt"]
    assert paths(volume, "old") == ["old/a.txt", "old/gone.txt"]
    assert reader.names("live") == ["a.txt", "gone.txt"]
    reader.reload()
    assert reader.read("live/deep/b.txt") == "new"


@clause("volumes/a-directory-is-renamed-onto-an-empty-one-only", ORDINARY)
def test_a_directory_is_renamed_onto_an_empty_one_only(scene: Scene) -> None:
    """A rename onto a directory with files fails with ENOTEMPTY, onto an empty one it works."""
    volume = scene.volume()
    upload(volume, {"one/a.txt": b"1", "two/b.txt": b"2"})
    container = scene.container(volume)
    number = container.run(bodies.error_number, os.rename, f"{DATA}/one", f"{DATA}/two")
    assert number == errno.ENOTEMPTY
    container.remove("two/b.txt")
    container.run(os.rename, f"{DATA}/one", f"{DATA}/two")
    container.commit()
    assert paths(volume) == ["two", "two/a.txt"]


@both_versions
@clause(
    "volumes/only-one-creates-a-file-exclusively",
    observed("projects use O_EXCL lock files within one container"),
)
def test_only_one_creates_a_file_exclusively(scene: Scene, version: int) -> None:
    """In one container a file is created with O_EXCL once, also when it was committed before."""
    container = scene.container(scene.volume(version, old="1"))
    container.run(feats.create_exclusively, f"{DATA}/lock")
    for name in ("lock", "old.txt"):
        number = container.run(bodies.error_number, feats.create_exclusively, f"{DATA}/{name}")
        assert number == errno.EEXIST
    container.remove("old.txt")
    container.run(feats.create_exclusively, f"{DATA}/old.txt")


@clause("volumes/appends-go-to-the-end", ORDINARY)
def test_appends_go_to_the_end(scene: Scene) -> None:
    """With O_APPEND each write goes to the end, of a committed file too, before and after."""
    volume = scene.volume(log="0")
    container = scene.container(volume)
    container.run(feats.append_in_pieces, f"{DATA}/log.txt", b"1", b"2", b"3")
    container.commit()
    assert content(volume, "log.txt") == b"0123"
    container.reload()
    container.run(feats.append_in_pieces, f"{DATA}/log.txt", b"4", b"5")
    container.commit()
    assert content(volume, "log.txt") == b"012345"


@clause("volumes/a-file-is-cut-and-stretched", ORDINARY)
def test_a_file_is_cut_and_stretched(scene: Scene) -> None:
    """`os.truncate` makes a committed file shorter, or longer with zeros."""
    volume = scene.volume(a="0123456789")
    container = scene.container(volume)
    container.run(os.truncate, A, 4)
    container.commit()
    assert content(volume, "a.txt") == b"0123"
    container.run(os.truncate, A, 6)
    container.commit()
    assert content(volume, "a.txt") == b"0123\0\0"


@both_versions
@clause("volumes/a-file-is-changed-in-the-middle", documented("guide/volumes"))
def test_a_file_is_changed_in_the_middle(scene: Scene, version: int) -> None:
    """
    A few bytes of a committed file are changed in place, and the others stay.

    The guide tells what such writes cost on either version.
    """
    volume = scene.volume(version, a="0123456789")
    container = scene.container(volume)
    container.run(feats.overwrite_in_place, A, 4, b"xy")
    container.commit()
    assert content(volume, "a.txt") == b"0123xy6789"


@clause("volumes/writes-through-memory-are-committed", ORDINARY)
def test_writes_through_memory_are_committed(scene: Scene) -> None:
    """What is written to a mapped file and flushed is in the next commit."""
    volume = scene.volume(a="0123456789")
    container = scene.container(volume)
    container.run(feats.write_through_a_map, A, 2, b"map")
    container.commit()
    assert content(volume, "a.txt") == b"01map56789"
    container.run(feats.write_through_a_map, A, 2, b"MAP")
    container.commit()
    assert content(volume, "a.txt") == b"01MAP56789"


@clause(
    "volumes/modes-and-times-outlast-a-commit",
    assumed("modes travel with uploads and times are listed; whether both survive is not known"),
)
def test_modes_and_times_outlast_a_commit(scene: Scene) -> None:
    """Modes and times of files and directories are the same after a commit, for others too."""
    volume = scene.volume(a="1")
    writer, reader = scene.containers(2, volume)
    writer.write("deep/b.txt", "2")
    marks = {"a.txt": (0o640, 1_000_000_000), "deep/b.txt": (0o755, 1_100_000_000)}
    marks["deep"] = (0o750, 1_200_000_000)
    for name, (mode, seconds) in marks.items():
        writer.run(os.chmod, f"{DATA}/{name}", mode)
        writer.run(os.utime, f"{DATA}/{name}", (seconds, seconds))
    writer.commit()
    assert {name: _mode_and_time(reader, name) for name in marks} == marks
    writer.reload()
    assert {name: _mode_and_time(writer, name) for name in marks} == marks
    times = {entry.path: entry.mtime for entry in volume.listdir("/", recursive=True)}
    assert times == {name: seconds for name, (_, seconds) in marks.items()}


@clause("volumes/a-change-of-mode-alone-is-committed", ORDINARY)
def test_a_change_of_mode_alone_is_committed(scene: Scene) -> None:
    """`chmod` and `utime` of a committed file are a change, though no byte is another."""
    volume = scene.volume(a="1")
    writer, reader = scene.containers(2, volume)
    reader.start()
    writer.run(os.chmod, A, 0o755)
    writer.run(os.utime, A, (1_000_000_000, 1_000_000_000))
    writer.commit()
    reader.reload()
    assert _mode_and_time(reader, "a.txt") == (0o755, 1_000_000_000)


@both_versions
@clause("volumes/the-room-is-told", documented("guide/volumes"))
def test_the_room_is_told(scene: Scene, version: int) -> None:
    """
    `df` and its like get an answer with room in it.

    The guide says that the numbers are placeholders.
    """
    container = scene.container(scene.volume(version))
    total, free = container.run(feats.room, DATA)
    assert total >= free > 0


@clause(
    "volumes/a-lock-holds-within-a-container",
    assumed("the documentation says that locks do not reach other containers, not that they fail"),
)
def test_a_lock_holds_within_a_container(scene: Scene) -> None:
    """`flock` keeps out a second holder in the same container until the first lets go."""
    container = scene.container(scene.volume())
    assert container.run(feats.lock_twice, f"{DATA}/lock") == (True, False, True)


@both_versions
@clause("volumes/a-lock-does-not-reach-other-containers", documented("sdk/py/latest/modal.Volume"))
def test_a_lock_does_not_reach_other_containers(scene: Scene, version: int) -> None:
    """Two containers lock the same file at the same time."""
    first, second = scene.containers(2, scene.volume(version, lock=""))
    assert first.run(feats.try_lock, f"{DATA}/lock.txt")
    assert second.run(feats.try_lock, f"{DATA}/lock.txt")


def _mode_and_time(container: Container, name: str) -> tuple[int, int]:
    status = container.run(os.lstat, f"{DATA}/{name}")
    return stat.S_IMODE(status.st_mode), int(status.st_mtime)

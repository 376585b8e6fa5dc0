"""What programs ask of the kernel on a volume, and Modal's file systems answer in their own way."""

import errno

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, observed
from modal_contracts.scene import DATA, Scene, content
from modal_contracts.target import Capability

__all__ = ()

NO_LINKS = observed("several teams report PermissionError from os.link on volumes of version 1")
rules = [Capability.PROGRAMS, Capability.VOLUME_RULES]


@clause("volumes/version-1-refuses-hard-links", NO_LINKS)
def test_version_1_refuses_hard_links(scene: Scene) -> None:
    """On a volume of version 1, `os.link` fails with EPERM and makes nothing."""
    container = scene.container(scene.volume(1, a="1"))
    number = container.run(bodies.error_number, bodies.hard_link, f"{DATA}/a.txt", f"{DATA}/b.txt")
    assert number == errno.EPERM
    assert container.names() == ["a.txt"]


@clause("volumes/programs-make-no-hard-links-on-version-1", NO_LINKS, needs=rules)
def test_programs_make_no_hard_links_on_version_1(scene: Scene) -> None:
    """On a volume of version 1, `ln` fails with "Operation not permitted"."""
    container = scene.container(scene.volume(1, a="1"))
    command = ["ln", f"{DATA}/a.txt", f"{DATA}/b.txt"]
    code, _, error = container.run(bodies.run_program, command)
    assert code != 0
    assert "Operation not permitted" in error
    assert container.names() == ["a.txt"]


@clause("volumes/version-2-takes-hard-links", documented("guide/volumes"))
def test_version_2_takes_hard_links(scene: Scene) -> None:
    """On a volume of version 2, both names of a hard link are committed with the file's content."""
    volume = scene.volume(2, a="1")
    container = scene.container(volume)
    container.run_and_commit(bodies.hard_link, f"{DATA}/a.txt", f"{DATA}/b.txt")
    assert content(volume, "a.txt") == b"1"
    assert content(volume, "b.txt") == b"1"


@clause("volumes/sync-commits-version-2", documented("guide/volumes"), needs=rules)
def test_sync_commits_version_2(scene: Scene) -> None:
    """`sync` with the mount point of a volume of version 2 succeeds once it is committed."""
    volume = scene.volume(2)
    container = scene.container(volume)
    seen = container.run(bodies.write_and_sync, volume, f"{DATA}/a.txt", "1", DATA)
    assert seen == (0, ["a.txt"])
    assert content(volume, "a.txt") == b"1"


@clause("volumes/sync-commits-no-version-1", documented("guide/volumes"), needs=rules)
def test_sync_commits_no_version_1(scene: Scene) -> None:
    """`sync` with the mount point of a volume of version 1 succeeds and commits nothing."""
    volume = scene.volume(1)
    scene.stop_time()
    container = scene.container(volume)
    seen = container.run(bodies.write_and_sync, volume, f"{DATA}/a.txt", "1", DATA)
    assert seen == (0, [])


@clause(
    "volumes/sync-of-a-file-commits-nothing",
    assumed("only sync of a mount point is documented to commit, and databases sync files often"),
    needs=rules,
)
def test_sync_of_a_file_commits_nothing(scene: Scene) -> None:
    """`sync` with a file of a volume of version 2 succeeds and commits nothing."""
    volume = scene.volume(2)
    scene.stop_time()
    container = scene.container(volume)
    path = f"{DATA}/a.txt"
    assert container.run(bodies.write_and_sync, volume, path, "1", path) == (0, [])

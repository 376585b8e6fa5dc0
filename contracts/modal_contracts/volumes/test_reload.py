"""When a reload is refused, in which words, and what it leaves as it was."""

import pytest

from modal_contracts import bodies
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, documented, inferred, observed
from modal_contracts.scene import DATA, Scene, content, upload
from modal_contracts.target import Capability

__all__ = ()

OPEN = "there are open files preventing the operation"
ANNOTATION = inferred("modal/volume.py", "_open_files_error_annotation")
SLEEP = ("sleep", "600")

knows_open_files = [Capability.OPEN_FILES]
# Which file it is, the SDK finds out by the real path of the volume.
names_open_files = [*knows_open_files, Capability.REAL_PATHS]
names_programs = [*names_open_files, Capability.PROGRAMS]


@both_versions
@pytest.mark.parametrize("mode", ["rb", "r+b", "ab"])
@clause(
    "volumes/an-open-file-refuses-a-reload",
    observed("a user's log names the .npz file that numpy kept open"),
    needs=names_open_files,
)
def test_an_open_file_refuses_a_reload(scene: Scene, version: int, mode: str) -> None:
    """A reload is refused while a file of the volume is open, be it only for reading."""
    volume = scene.volume(version)
    upload(volume, {"tmp/a.bin": b"1"})
    container = scene.container(volume)
    with pytest.raises(RuntimeError) as refusal:
        container.run(bodies.reload_while_open, volume, f"{DATA}/tmp/a.bin", mode)
    assert str(refusal.value) == f"{OPEN}: path tmp/a.bin is open"


@clause("volumes/a-working-directory-refuses-a-reload", ANNOTATION, needs=names_open_files)
def test_a_working_directory_refuses_a_reload(scene: Scene) -> None:
    """A reload is refused while the working directory is inside the volume."""
    volume = scene.volume()
    upload(volume, {"deep/a.txt": b"1"})
    container = scene.container(volume)
    for directory in (DATA, f"{DATA}/deep"):
        with pytest.raises(RuntimeError) as refusal:
            container.run(bodies.reload_from, volume, directory)
        assert str(refusal.value) == f"{OPEN}: cwd is inside volume"


@clause("volumes/an-open-file-of-a-program-refuses-a-reload", ANNOTATION, needs=names_programs)
def test_an_open_file_of_a_program_refuses_a_reload(scene: Scene) -> None:
    """A reload is refused while a program that the function started holds a file."""
    volume = scene.volume(a="1")
    container = scene.container(volume)
    with pytest.raises(RuntimeError) as refusal:
        container.run(bodies.reload_while_program_runs, volume, SLEEP, stdin=f"{DATA}/a.txt")
    assert str(refusal.value) == f"{OPEN}: path a.txt is open from 'sleep 600'"


@clause(
    "volumes/a-working-directory-of-a-program-refuses-a-reload", ANNOTATION, needs=names_programs
)
def test_a_working_directory_of_a_program_refuses_a_reload(scene: Scene) -> None:
    """A reload is refused while a program that the function started works in the volume."""
    volume = scene.volume(a="1")
    container = scene.container(volume)
    with pytest.raises(RuntimeError) as refusal:
        container.run(bodies.reload_while_program_runs, volume, SLEEP, directory=DATA)
    assert str(refusal.value) == f"{OPEN}: cwd of 'sleep 600' is inside volume"


@clause(
    "volumes/a-program-elsewhere-does-not-hinder-a-reload",
    documented("guide/volumes"),
    needs=names_programs,
)
def test_a_program_elsewhere_does_not_hinder_a_reload(scene: Scene) -> None:
    """A program that holds nothing of the volume is no reason to refuse."""
    volume = scene.volume()
    reader = scene.container(volume)
    reader.start()
    upload(volume, {"a.txt": b"1"})
    reader.run(bodies.reload_while_program_runs, volume, SLEEP, directory="/")
    assert reader.names() == ["a.txt"]


@clause(
    "volumes/files-open-elsewhere-do-not-hinder-a-reload",
    assumed("all reports of refusals name files of the same container and the same volume"),
    needs=knows_open_files,
)
def test_files_open_elsewhere_do_not_hinder_a_reload(scene: Scene) -> None:
    """What other containers hold open, and what is open in other volumes, does not matter."""
    volume, other = scene.volume(a="1"), scene.volume(b="2")
    first, second = scene.containers(2, {DATA: volume, "/other": other})
    second.run(bodies.hold, f"{DATA}/a.txt")
    first.run(bodies.hold, "/other/b.txt")
    upload(volume, {"c.txt": b"3"})
    first.run(bodies.reload, volume)
    assert first.names() == ["a.txt", "c.txt"]


@both_versions
@clause(
    "volumes/a-reload-works-once-the-file-is-closed",
    documented("guide/volumes"),
    needs=knows_open_files,
)
def test_a_reload_works_once_the_file_is_closed(scene: Scene, version: int) -> None:
    """The refusal lasts as long as its reason."""
    volume = scene.volume(version, a="1")
    container = scene.container(volume)
    container.run(bodies.hold, f"{DATA}/a.txt")
    with pytest.raises(RuntimeError, match=OPEN):
        container.reload()
    upload(volume, {"b.txt": b"2"})
    container.run(bodies.let_go)
    container.reload()
    assert container.names() == ["a.txt", "b.txt"]


@clause(
    "volumes/a-refused-reload-changes-nothing",
    assumed("a refusal is a precondition that failed, and those are assumed to come first"),
    needs=knows_open_files,
)
def test_a_refused_reload_changes_nothing(scene: Scene) -> None:
    """After a refusal the container still has its old view and its own writes."""
    volume = scene.volume(a="old")
    container = scene.container(volume)
    container.run(bodies.hold, f"{DATA}/a.txt")
    upload(volume, {"a.txt": b"new"}, force=True)
    container.write("mine.txt", "pending")
    with pytest.raises(RuntimeError, match=OPEN):
        container.reload()
    assert container.read("a.txt") == "old"
    assert container.read("mine.txt") == "pending"
    container.commit()
    assert content(volume, "mine.txt") == b"pending"


@clause(
    "volumes/a-reload-needs-a-container",
    observed("about ten projects catch this error by its words on their own machines"),
)
def test_a_reload_needs_a_container(scene: Scene) -> None:
    """Outside containers a reload is refused in these words."""
    with pytest.raises(RuntimeError) as refusal:
        scene.volume().reload()
    assert str(refusal.value) == "reload() can only be called from within a running function"


@clause(
    "volumes/a-reload-needs-a-mount",
    assumed("the SDK documents it; in which words the service refuses is not known"),
)
def test_a_reload_needs_a_mount(scene: Scene) -> None:
    """A container cannot reload a volume that it has not mounted."""
    mounted, other = scene.volume(), scene.volume()
    container = scene.container(mounted)
    with pytest.raises(RuntimeError):
        container.run(bodies.reload, other)

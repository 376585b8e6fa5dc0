"""What else than an open file in the same input holds a volume, and how it is named."""

import pytest

from modal_contracts import bodies, holding
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred, observed
from modal_contracts.scene import DATA, Scene, paths, upload
from modal_contracts.target import Capability

__all__ = ()

OPEN = "there are open files preventing the operation"
ANNOTATION = inferred("modal/volume.py", "_open_files_error_annotation")

knows_open_files = [Capability.OPEN_FILES]
names_open_files = [*knows_open_files, Capability.REAL_PATHS]


def refusal_of_reload(scene: Scene, way: holding.Way, path: str) -> str:
    """Return in which words a reload is refused while `path` is held this way."""
    volume = scene.volume()
    upload(volume, {"deep/a.bin": b"123"})
    container = scene.container(volume)
    with pytest.raises(RuntimeError) as refusal:
        container.run(holding.reload_while, volume, way, f"{DATA}/{path}")
    container.reload()
    return str(refusal.value)


@clause("volumes/an-open-directory-refuses-a-reload", ANNOTATION, needs=names_open_files)
def test_an_open_directory_refuses_a_reload(scene: Scene) -> None:
    """An open directory counts as an open file; the top of the volume is named with a dot."""
    refusal = refusal_of_reload(scene, holding.a_directory, "deep")
    assert refusal == f"{OPEN}: path deep is open"
    refusal = refusal_of_reload(scene, holding.a_directory, "")
    assert refusal == f"{OPEN}: path . is open"


@clause("volumes/a-file-of-another-thread-refuses-a-reload", ANNOTATION, needs=names_open_files)
def test_a_file_of_another_thread_refuses_a_reload(scene: Scene) -> None:
    """A file that another thread of the same process holds is named as the process's own."""
    refusal = refusal_of_reload(scene, holding.a_file_in_a_thread, "deep/a.bin")
    assert refusal == f"{OPEN}: path deep/a.bin is open"


@clause(
    "volumes/a-mapped-file-refuses-a-reload",
    observed("users cannot reload while model weights are mapped, though no descriptor is open"),
    needs=knows_open_files,
)
def test_a_mapped_file_refuses_a_reload(scene: Scene) -> None:
    """
    A file that is mapped into memory refuses a reload after its descriptor was closed.

    The SDK looks for descriptors, so it cannot say which file it is.
    """
    assert refusal_of_reload(scene, holding.a_map_of_a_closed_file, "deep/a.bin") == OPEN


@clause("volumes/a-map-of-python-is-an-open-file", ANNOTATION, needs=names_open_files)
def test_a_map_of_python_is_an_open_file(scene: Scene) -> None:
    """Python's `mmap` keeps a descriptor of its own, so the refusal names the file."""
    refusal = refusal_of_reload(scene, holding.a_map_of_python, "deep/a.bin")
    assert refusal == f"{OPEN}: path deep/a.bin is open"


@clause(
    "volumes/a-deleted-file-that-is-open-refuses-a-reload",
    assumed("a file without a name still is an open file; the SDK names it as /proc does"),
    needs=names_open_files,
)
def test_a_deleted_file_that_is_open_refuses_a_reload(scene: Scene) -> None:
    """A file that was removed refuses a reload as long as it is open."""
    refusal = refusal_of_reload(scene, holding.a_deleted_file, "deep/a.bin")
    assert refusal == f"{OPEN}: path deep/a.bin (deleted) is open"


@clause(
    "volumes/a-file-of-another-input-refuses-a-reload",
    observed("a web server with concurrent inputs could not reload while another request read"),
    needs=names_open_files,
)
def test_a_file_of_another_input_refuses_a_reload(scene: Scene) -> None:
    """A file that another input of the same container holds at that moment refuses a reload."""
    volume = scene.volume(a="1")
    container = scene.container(volume, inputs_at_once=2)
    holder = container.begin(holding.hold_for_another_input, f"{DATA}/a.txt")
    with pytest.raises(RuntimeError) as refusal:
        container.run(holding.reload_while_another_input_holds, volume)
    assert str(refusal.value) == f"{OPEN}: path a.txt is open"
    assert holder() is True
    container.reload()


@clause("volumes/a-reload-is-seen-whole-or-empty", documented("guide/volumes"))
def test_a_reload_is_seen_whole_or_empty(scene: Scene) -> None:
    """
    Whoever looks while the container reloads sees the old view, the new one, or nothing.

    The guide says that the volume looks empty to the container meanwhile; for how long is not
    known, so that nothing may be too short to be seen.
    """
    volume = scene.volume(a="1", b="2")
    container = scene.container(volume)
    container.start()
    upload(volume, {"c.txt": b"3"})
    volume.remove_file("a.txt")
    seen = container.run(holding.views_during_reloads, volume, DATA, 3)
    possible = [[], ["a.txt", "b.txt"], ["b.txt", "c.txt"]]
    assert [view for view in seen if view not in possible] == []
    assert container.names() == paths(volume) == ["b.txt", "c.txt"]
    assert container.run(bodies.read, f"{DATA}/c.txt") == "3"


@clause(
    "volumes/commits-and-reloads-at-once-take-turns",
    assumed("one handle takes turns by itself; that two handles do as well is an assumption"),
)
def test_commits_and_reloads_at_once_take_turns(scene: Scene) -> None:
    """Threads that commit and reload by handles of their own all succeed, and lose nothing."""
    volume = scene.volume()
    container = scene.container(volume)
    container.write("a.txt", "1")
    container.run(holding.commit_and_reload_at_once, scene.name_of(volume), 3, 5)
    assert container.names() == paths(volume) == ["a.txt"]

"""
What two containers get who changed the same volume and not just one file's content.

Modal documents the file as what is merged, and nothing of directories, kinds and modes. All of
this is assumed to follow from one idea: a commit is the list of paths that its container changed,
laid over the newest version. Both containers start from the same version; the first commits first.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed
from modal_contracts.scene import DATA, Scene, content, upload

__all__ = ()

PATHS = assumed(
    "how directories conflict is not documented; it is assumed that a commit lays the paths that "
    "its container changed over the newest version"
)
WHOLE = assumed(
    "the guide says that the last writer takes the file; it is assumed that the mode goes with it"
)

Step = tuple[Callable[..., object], ...]


def _write(name: str, text: str) -> Any:
    return (bodies.write, f"{DATA}/{name}", text)


def _remove(name: str) -> Any:
    return (bodies.remove, f"{DATA}/{name}")


def _rename(old: str, new: str) -> Any:
    return (os.rename, f"{DATA}/{old}", f"{DATA}/{new}")


def _change_mode(name: str, mode: int) -> Any:
    return (os.chmod, f"{DATA}/{name}", mode)


def _link(target: str, name: str) -> Any:
    return (os.symlink, target, f"{DATA}/{name}")


def _outcome(
    scene: Scene, files: Mapping[str, str], first: list[Step], last: list[Step]
) -> dict[str, str]:
    """Let two containers do these steps on the same files; tell what the volume holds then."""
    volume = scene.volume()
    if files:
        upload(volume, {name: text.encode() for name, text in files.items()})
    containers = scene.containers(2, volume)
    for container in containers:
        container.start()
    for container, steps in zip(containers, (first, last), strict=True):
        container.run(bodies.in_a_row_then_commit, volume, steps)
    entries = volume.listdir("/", recursive=True)
    kinds = {entry.path: entry.type.name for entry in entries}
    return {
        path: content(volume, path).decode() if kind == "FILE" else kind
        for path, kind in kinds.items()
    }


@clause("volumes/a-removed-directory-comes-back-with-a-later-file", PATHS)
def test_a_removed_directory_comes_back_with_a_later_file(scene: Scene) -> None:
    """Who adds to a directory that another removed before brings it back, with that file alone."""
    found = _outcome(scene, {"d/a": "1"}, [_remove("d")], [_write("d/new", "2")])
    assert found == {"d": "DIRECTORY", "d/new": "2"}


@clause("volumes/a-removed-directory-takes-what-others-added", PATHS)
def test_a_removed_directory_takes_what_others_added(scene: Scene) -> None:
    """Who removes a directory last removes what others put into it before."""
    assert _outcome(scene, {"d/a": "1"}, [_write("d/new", "2")], [_remove("d")]) == {}


@clause("volumes/a-change-in-a-removed-directory-survives", PATHS)
def test_a_change_in_a_removed_directory_survives(scene: Scene) -> None:
    """Who changes a file last whose directory another removed keeps that file, and no other."""
    files = {"d/a": "1", "d/b": "1"}
    found = _outcome(scene, files, [_remove("d")], [_write("d/a", "2")])
    assert found == {"d": "DIRECTORY", "d/a": "2"}


@clause("volumes/a-removed-directory-takes-what-others-changed", PATHS)
def test_a_removed_directory_takes_what_others_changed(scene: Scene) -> None:
    """Who removes a directory last removes files in it that others changed before."""
    assert _outcome(scene, {"d/a": "1"}, [_write("d/a", "2")], [_remove("d")]) == {}


@clause("volumes/a-file-added-to-a-renamed-directory-stays-at-the-old-path", PATHS)
def test_a_file_added_to_a_renamed_directory_stays_at_the_old_path(scene: Scene) -> None:
    """A file that is added last to a directory that another renamed is below the old name."""
    found = _outcome(scene, {"d/a": "1"}, [_rename("d", "e")], [_write("d/new", "2")])
    assert found == {"d": "DIRECTORY", "d/new": "2", "e": "DIRECTORY", "e/a": "1"}


@clause("volumes/a-renamed-directory-leaves-behind-what-others-added", PATHS)
def test_a_renamed_directory_leaves_behind_what_others_added(scene: Scene) -> None:
    """Who renames a directory last moves the files that it knew; what others added is gone."""
    found = _outcome(scene, {"d/a": "1"}, [_write("d/new", "2")], [_rename("d", "e")])
    assert found == {"e": "DIRECTORY", "e/a": "1"}


@clause("volumes/a-renamed-directory-carries-the-content-it-knew", PATHS)
def test_a_renamed_directory_carries_the_content_it_knew(scene: Scene) -> None:
    """Who renames a directory last moves the old content of a file that another changed."""
    found = _outcome(scene, {"d/a": "1"}, [_write("d/a", "2")], [_rename("d", "e")])
    assert found == {"e": "DIRECTORY", "e/a": "1"}


@clause("volumes/two-names-for-one-directory-are-both-kept", PATHS)
def test_two_names_for_one_directory_are_both_kept(scene: Scene) -> None:
    """Two containers that rename one directory differently end with two copies of it."""
    found = _outcome(scene, {"d/a": "1"}, [_rename("d", "e")], [_rename("d", "f")])
    assert found == {"e": "DIRECTORY", "e/a": "1", "f": "DIRECTORY", "f/a": "1"}


@clause("volumes/two-names-for-one-file-are-both-kept", PATHS)
def test_two_names_for_one_file_are_both_kept(scene: Scene) -> None:
    """Two containers that rename one file differently end with two copies of it."""
    assert _outcome(scene, {"a": "1"}, [_rename("a", "b")], [_rename("a", "c")]) == {
        "b": "1",
        "c": "1",
    }


@clause("volumes/a-renamed-file-carries-the-content-it-had", PATHS)
def test_a_renamed_file_carries_the_content_it_had(scene: Scene) -> None:
    """Who renames a file last moves the content that it knew, not what another wrote before."""
    assert _outcome(scene, {"a": "1"}, [_write("a", "2")], [_rename("a", "c")]) == {"c": "1"}


@clause("volumes/a-write-to-a-renamed-file-is-at-the-old-path", PATHS)
def test_a_write_to_a_renamed_file_is_at_the_old_path(scene: Scene) -> None:
    """Who writes last to a file that another renamed has it at the old name, beside the new."""
    found = _outcome(scene, {"a": "1"}, [_rename("a", "c")], [_write("a", "2")])
    assert found == {"a": "2", "c": "1"}


@clause("volumes/the-last-rename-takes-the-name", PATHS)
def test_the_last_rename_takes_the_name(scene: Scene) -> None:
    """Two files renamed to one name: the one that is committed last has it."""
    files = {"a": "1", "b": "2"}
    assert _outcome(scene, files, [_rename("a", "c")], [_rename("b", "c")]) == {"c": "2"}


@clause("volumes/a-directory-takes-the-path-of-an-earlier-file", PATHS)
def test_a_directory_takes_the_path_of_an_earlier_file(scene: Scene) -> None:
    """Where one made a file and the last a directory of that name, there is the directory."""
    found = _outcome(scene, {}, [_write("x", "1")], [_write("x/y", "2")])
    assert found == {"x": "DIRECTORY", "x/y": "2"}


@clause("volumes/a-file-takes-the-path-of-an-earlier-directory", PATHS)
def test_a_file_takes_the_path_of_an_earlier_directory(scene: Scene) -> None:
    """Where one made a directory and the last a file of that name, there is the file."""
    assert _outcome(scene, {}, [_write("x/y", "2")], [_write("x", "1")]) == {"x": "1"}


@clause("volumes/a-link-and-a-file-take-turns", PATHS)
def test_a_link_and_a_file_take_turns(scene: Scene) -> None:
    """Where one made a symbolic link and the other a file, the last one's kind stands."""
    assert _outcome(scene, {}, [_link("t", "x")], [_write("x", "1")]) == {"x": "1"}
    assert _outcome(scene, {}, [_write("x", "1")], [_link("t", "x")]) == {"x": "SYMLINK"}


@clause("volumes/a-directory-made-anew-is-merged-with-the-old", PATHS)
def test_a_directory_made_anew_is_merged_with_the_old(scene: Scene) -> None:
    """
    A directory that one removed and made again holds what both put into it.

    Only its old files are gone: as a path it is there before and after.
    """
    scene.stop_time()  # one that finds no directory would remove it
    both = {"d": "DIRECTORY", "d/mine": "2", "d/yours": "3"}
    anew = [_remove("d"), _write("d/mine", "2")]
    assert _outcome(scene, {"d/a": "1"}, anew, [_write("d/yours", "3")]) == both
    assert _outcome(scene, {"d/a": "1"}, [_write("d/yours", "3")], anew) == both


@clause("volumes/a-change-of-mode-takes-the-whole-file", WHOLE)
def test_a_change_of_mode_takes_the_whole_file(scene: Scene) -> None:
    """A mode is no part by itself: who changes it last puts back the content that it knew."""
    found = _outcome(scene, {"a": "1"}, [_write("a", "2")], [_change_mode("a", 0o600)])
    assert found == {"a": "1"}


@clause("volumes/a-write-takes-the-mode", WHOLE)
def test_a_write_takes_the_mode(scene: Scene) -> None:
    """Who writes a file last puts back the mode that it knew."""
    volume = scene.volume(a="1")
    first, last, reader = scene.containers(3, volume)
    last.start()
    first.run_and_commit(os.chmod, f"{DATA}/a.txt", 0o600)
    last.run_and_commit(*_write("a.txt", "2"))
    assert reader.run(os.stat, f"{DATA}/a.txt").st_mode & 0o777 == 0o644

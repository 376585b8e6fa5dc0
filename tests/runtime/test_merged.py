"""Stacked directories, read as the kernel reads them."""

import os
from pathlib import Path

from modal_emulator.runtime.merged import is_removal, make_removal, walk


def tree(place: Path, name: str, *files: str) -> Path:
    top = place / name
    top.mkdir()
    for file in files:
        path = top / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return top


def seen(*layers: Path) -> dict[str, str]:
    return {
        found.path: found.source.read_text() if found.source.is_file() else "/"
        for found in walk(layers)
    }


def test_the_first_that_has_a_name_decides(tmp_path: Path) -> None:
    new, old = tree(tmp_path, "new", "a", "d/x"), tree(tmp_path, "old", "a", "b", "d/x", "d/y")
    assert seen(new, old) == {
        "a": "new",
        "b": "old",
        "d": "/",
        "d/x": "new",
        "d/y": "old",
    }


def test_removals_hide(tmp_path: Path) -> None:
    new, old = tree(tmp_path, "new"), tree(tmp_path, "old", "a", "d/x", "d/y")
    make_removal(new / "a")
    (new / "d").mkdir()
    make_removal(new / "d" / "x")
    assert seen(new, old) == {"d": "/", "d/y": "old"}
    assert is_removal((new / "a").lstat())
    assert not is_removal(Path("/dev/null").lstat())


def test_a_removal_hides_only_what_is_below(tmp_path: Path) -> None:
    top, middle = tree(tmp_path, "top", "a"), tree(tmp_path, "middle")
    make_removal(middle / "a")
    assert seen(top, middle, tree(tmp_path, "bottom", "a")) == {"a": "top"}


def test_kinds_replace_each_other(tmp_path: Path) -> None:
    new, old = tree(tmp_path, "new", "a", "b/x"), tree(tmp_path, "old", "a/y", "b")
    assert seen(new, old) == {"a": "new", "b": "/", "b/x": "new"}


def test_a_file_between_ends_the_merging(tmp_path: Path) -> None:
    top, middle = tree(tmp_path, "top", "d/x"), tree(tmp_path, "middle", "d")
    assert seen(top, middle, tree(tmp_path, "bottom", "d/y")) == {"d": "/", "d/x": "top"}


def test_opaque_directories_hide_what_is_below(tmp_path: Path) -> None:
    new, old = tree(tmp_path, "new", "d/x"), tree(tmp_path, "old", "d/y")
    os.setxattr(new / "d", "user.overlay.opaque", b"y")
    assert seen(new, old) == {"d": "/", "d/x": "new"}


def test_missing_layers_are_empty(tmp_path: Path) -> None:
    assert seen(tmp_path / "none", tree(tmp_path, "old", "a")) == {"a": "old"}
    assert seen() == {}

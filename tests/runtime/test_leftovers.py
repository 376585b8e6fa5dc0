"""Removing what is left of containers."""

import os
from pathlib import Path

import pytest

from modal_emulator.runtime import leftovers
from modal_emulator.runtime.leftovers import discard, remove_tree, sweep


def locked(place: Path) -> Path:
    """What an overlay leaves in its scratch directory."""
    path = place / "tree" / "work" / "incompat" / "volatile"
    path.mkdir(parents=True)
    (path / "dirty").touch(0)
    for each in (path, *path.parents[:2]):
        each.chmod(0)
    return place / "tree"


def test_missing_permissions_do_not_matter(tmp_path: Path) -> None:
    tree = locked(tmp_path)
    discard(tree)
    assert not tree.exists()


def test_files_links_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    for name in ("file", "link", "none"):
        discard(tmp_path / name)
    assert os.listdir(tmp_path) == ["kept"]


def test_a_sweep_leaves_an_empty_directory(tmp_path: Path) -> None:
    sweep(tmp_path / "new" / "containers")
    locked(tmp_path / "new" / "containers")
    sweep(tmp_path / "new" / "containers")
    assert os.listdir(tmp_path / "new" / "containers") == []


def test_where_something_is_mounted_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree" / "mine").mkdir(parents=True)
    monkeypatch.setattr(leftovers, "mounts_below", lambda path: (f"{path}/mine",))
    remove_tree(tmp_path / "tree")
    assert (tmp_path / "tree" / "mine").exists()

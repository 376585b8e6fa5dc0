import os

import pytest

from modal_emulator.ground.removal import dispose, remove_tree


def nest(path, depth):
    """Make directories deeper than a path may be long."""
    handle = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=handle)
        below = os.open("deep", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)


@pytest.mark.parametrize("remove", [dispose, remove_tree])
def test_what_is_nested_deeply_goes(tmp_path, remove):
    top = tmp_path / "top"
    top.mkdir()
    (top / "0").mkdir()
    nest(top / "0", 1500)
    remove(top)
    assert not top.exists()


def test_functions_that_are_replaced_meanwhile_are_no_hindrance(tmp_path, monkeypatch):
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    scandir = os.scandir

    def scan_and_replace(path):
        for name in ("lstat", "rmdir"):
            original = getattr(os, name)
            monkeypatch.setattr(os, name, lambda *a, o=original, **k: o(*a, **k))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan_and_replace)
    remove_tree(top)
    monkeypatch.undo()
    assert not top.exists()


def test_all_names_are_counted(tmp_path):
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "c").write_text("1")
    (top / "link").symlink_to("a")
    (top / "a").chmod(0)
    assert dispose(top) == 5
    assert not top.exists()


def test_no_more_names_go_than_asked_for(tmp_path):
    top = tmp_path / "top"
    for name in "abc":
        (top / name / "below").mkdir(parents=True)
        (top / name / "below" / "file").write_text("1")
    counts = []
    while top.exists():
        counts.append(dispose(top, 2))
    assert all(count <= 2 for count in counts)
    assert sum(counts) == 10


def test_a_file_goes_and_what_a_link_leads_to_stays(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    assert dispose(tmp_path / "link") == 1
    assert (tmp_path / "there").exists()

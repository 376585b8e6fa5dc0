import pytest

from modal_emulator.ground.errors import Invalid
from modal_emulator.store.links import follow
from modal_emulator.store.tree import Entry, Kind, Tree

MOUNT = "/__modal/volumes/vo-1"


def link(target):
    return Entry(Kind.SYMLINK, len(target), 0, 0o777, target)


@pytest.fixture
def tree():
    tree = Tree().put(("d", "file"), Entry(Kind.FILE, 1, 0, 0o644))
    for path, target in {
        "same": "d/file",
        "d/up": "../d/./file",
        "dir": "d",
        "chain": "dir/up",
        "absolute": f"{MOUNT}/d/file",
        "root": MOUNT,
        "dangling": "nothing/here",
        "loop": "loop2",
        "loop2": "loop",
        "out": "../etc/passwd",
        "d/out": "../../etc/passwd",
        "host": "/etc/passwd",
        "alike": f"{MOUNT}x/d/file",
        "slashes": "d//file/",
    }.items():
        tree = tree.put(tuple(path.split("/")), link(target))
    return tree


@pytest.mark.parametrize(
    "path",
    [
        "d/file",
        "same",
        "d/up",
        "dir/file",
        "chain",
        "absolute",
        "root/d/file",
        "root/dir/up",
        "slashes",
    ],
)
def test_links_lead_to_what_the_kernel_finds(tree, path):
    assert follow(tree, tuple(path.split("/")), MOUNT) == ("d", "file")


def test_a_path_need_not_exist(tree):
    assert follow(tree, ("dir", "new"), MOUNT) == ("d", "new")
    assert follow(tree, ("dangling",), MOUNT) == ("nothing", "here")
    assert follow(tree, ("root",), MOUNT) == ()
    assert follow(tree, (), MOUNT) == ()


@pytest.mark.parametrize("path", ["out", "d/out", "host", "alike"])
def test_no_link_leads_out_of_the_volume(tree, path):
    with pytest.raises(Invalid, match="leads out of the Volume"):
        follow(tree, tuple(path.split("/")), MOUNT)


def test_a_circle_ends(tree):
    with pytest.raises(Invalid, match="too many levels of symbolic links"):
        follow(tree, ("loop",), MOUNT)

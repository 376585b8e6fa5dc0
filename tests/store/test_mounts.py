import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes import ManualClock
from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.content import Content
from modal_emulator.store.environments import Environments
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.mounts import MountFile, Mounts
from modal_emulator.store.names import Names


class Place:
    """A store of Mounts on one directory, which can be closed and opened again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.open()

    def open(self) -> None:
        clock, ids = ManualClock(), Ids(salt="s")
        self.ledger = Ledger(self.directory)
        environments = Environments(self.ledger, Names(self.ledger, clock, ids), clock, ids)
        self.content = Content(self.directory / "content")
        self.mounts = Mounts(
            self.ledger, self.content, environments, self.directory / "mounts", ids
        )

    def reopen(self) -> None:
        self.ledger.close()
        self.open()

    def file(self, path: str, data: bytes = b"x", mode: int = 0o644) -> MountFile:
        return MountFile(path, self.content.add(data), mode)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def contents(tree: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }


def test_a_tree_mirrors_the_root(place):
    mount = place.mounts.create(
        [
            place.file("/root/app.py", b"app"),
            place.file("/root/pkg/mod.py", b"mod"),
            place.file("/data/empty", b""),
        ]
    )
    tree = place.mounts.tree(mount.mount_id)
    assert contents(tree) == {"root/app.py": b"app", "root/pkg/mod.py": b"mod", "data/empty": b""}


def test_files_have_their_modes_and_directories_can_be_entered_by_all(place):
    old = os.umask(0o077)
    try:
        mount = place.mounts.create(
            [
                place.file("/root/run.sh", b"same", 0o755),
                place.file("/root/deep/er/data", b"same", 0o600),
                place.file("/root/plain", b"same"),
            ]
        )
        tree = place.mounts.tree(mount.mount_id)
    finally:
        os.umask(old)
    modes = {
        str(p.relative_to(tree)): stat.S_IMODE(p.stat().st_mode) for p in (tree, *tree.rglob("*"))
    }
    assert modes == {
        ".": 0o755,
        "root": 0o755,
        "root/run.sh": 0o755,
        "root/plain": 0o644,
        "root/deep": 0o755,
        "root/deep/er": 0o755,
        "root/deep/er/data": 0o600,
    }


def test_equal_lists_are_the_same_mount_whatever_their_order(place):
    a, b = place.file("/a"), place.file("/b", b"y")
    assert place.mounts.create([a, b]) == place.mounts.create([b, a])
    assert place.mounts.create([a, b]).mount_id != place.mounts.create([a]).mount_id
    assert place.mounts.create([a, b]).checksum != place.mounts.create([a]).checksum


def test_a_mode_makes_another_mount(place):
    plain = place.mounts.create([place.file("/a", mode=0o644)])
    assert plain.mount_id != place.mounts.create([place.file("/a", mode=0o755)]).mount_id


def test_a_tree_is_laid_out_once(place):
    mount = place.mounts.create([place.file("/root/a")])
    tree = place.mounts.tree(mount.mount_id)
    inode = (tree / "root/a").stat().st_ino
    assert place.mounts.tree(mount.mount_id) == tree
    assert (tree / "root/a").stat().st_ino == inode


def test_trees_share_files_but_not_with_the_contents(place):
    file = place.file("/root/a", b"shared")
    one = place.mounts.create([file])
    two = place.mounts.create([file, place.file("/root/b", b"more")])
    first = place.mounts.tree(one.mount_id) / "root/a"
    second = place.mounts.tree(two.mount_id) / "root/a"
    assert first.stat().st_ino == second.stat().st_ino
    assert first.stat().st_ino != place.content.path(file.sha256).stat().st_ino


def test_the_empty_mount_is_an_empty_directory(place):
    mount = place.mounts.create([])
    assert mount.files == ()
    assert list(place.mounts.tree(mount.mount_id).iterdir()) == []


def test_many_threads_may_ask_at_once(place):
    mount = place.mounts.create([place.file(f"/root/{i}", str(i).encode()) for i in range(40)])
    with ThreadPoolExecutor(8) as threads:
        trees = list(threads.map(lambda _: place.mounts.tree(mount.mount_id), range(8)))
    assert len(set(trees)) == 1
    assert len(contents(trees[0])) == 40
    assert [p.name for p in trees[0].parent.iterdir()] == [mount.mount_id]


def test_mounts_survive_a_restart_and_so_do_their_trees(place):
    kept = place.mounts.create([place.file("/root/a", b"kept")])
    inode = (place.mounts.tree(kept.mount_id) / "root/a").stat().st_ino
    late = place.mounts.create([place.file("/root/b", b"late")])
    place.reopen()
    assert place.mounts.get(kept.mount_id) == kept
    assert (place.mounts.tree(kept.mount_id) / "root/a").stat().st_ino == inode
    assert contents(place.mounts.tree(late.mount_id)) == {"root/b": b"late"}


def test_half_made_trees_and_files_are_swept(place):
    (place.directory / "mounts/trees/draft-1/root").mkdir(parents=True)
    (place.directory / "mounts/trees/draft-1/root/x").write_bytes(b"")
    (place.directory / "mounts/files/draft-2").write_bytes(b"")
    place.reopen()
    assert list((place.directory / "mounts/trees").iterdir()) == []
    assert list((place.directory / "mounts/files").iterdir()) == []


def test_a_mode_keeps_only_permission_bits(place):
    mount = place.mounts.create([place.file("/a", mode=0o100755)])
    assert mount.files[0].mode == 0o755


def test_the_last_of_two_files_at_one_path_counts(place):
    first, second = place.file("/root/a", b"1"), place.file("/root//a", b"2")
    mount = place.mounts.create([first, second])
    assert contents(place.mounts.tree(mount.mount_id)) == {"root/a": b"2"}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/root/../etc/passwd", "'..' is not allowed"),
        ("../x", "'..' is not allowed"),
        ("/a\0b", "NUL"),
        ("relative", "must be absolute"),
        ("/", "must be absolute"),
        ("", "must be absolute"),
        ("/" + "n" * 256, "longer than 255"),
        ("/\udcff", "not valid Unicode"),
    ],
)
def test_bad_paths_are_refused(place, path, says):
    with pytest.raises(Invalid, match=says):
        place.mounts.create([MountFile(path, place.content.add(b"x"))])


def test_a_file_cannot_lie_below_a_file(place):
    with pytest.raises(Invalid, match="'/root/a' is a file and also a directory"):
        place.mounts.create([place.file("/root/a/b/c"), place.file("/root/a")])


@pytest.mark.parametrize("sha256", ["0" * 64, "../../ledger.db", "", "A" * 64])
def test_contents_that_were_not_brought_are_refused(place, sha256):
    with pytest.raises(Invalid, match="has not been uploaded"):
        place.mounts.create([MountFile("/a", sha256)])


def test_unknown_ids_and_names_are_said_so(place):
    with pytest.raises(NotFound, match="No Mount with ID 'mo-x' found"):
        place.mounts.get("mo-x")
    with pytest.raises(NotFound, match="No Mount with ID 'mo-x' found"):
        place.mounts.tree("mo-x")
    with pytest.raises(NotFound, match="Mount 'm' not found in environment 'main'"):
        place.mounts.lookup("m", "")


def test_a_tree_that_cannot_be_laid_out_leaves_nothing_half_made(place, monkeypatch):
    mount = place.mounts.create([place.file("/root/a")])

    def full(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(OSError, match="No space left"):
            place.mounts.tree(mount.mount_id)
    assert list((place.directory / "mounts/trees").iterdir()) == []
    assert contents(place.mounts.tree(mount.mount_id)) == {"root/a": b"x"}

"""What a tar archive brings into a volume: all of it as one version, or nothing."""

import io
import stat
import tarfile

import pytest

from modal_emulator.ground.errors import Conflict, EmulatorError, Invalid
from modal_emulator.store.history import Committer
from modal_emulator.store.limits import VolumeLimits
from modal_emulator.store.tars import members, pack, read
from store.conftest import API
from store.test_tars import full, header, tar  # noqa: F401 - `full` is a fixture

DIR, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def bring(store, volume, *made):
    """Import an archive as a server does."""
    return carry(store, store.volumes.begin_add(volume, read(io.BytesIO(tar(*made)))))


def carry(store, writing):
    try:
        written = writing.write()
    except BaseException:
        store.volumes.abandon(writing)
        raise
    return store.volumes.finish(writing, written, API)


def shown(store, volume):
    return dict(store.volumes.history(volume).head.tree.walk())


def test_a_volume_goes_through_an_archive_whole(store, full):  # noqa: F811
    file = io.BytesIO()
    pack(full, file)
    file.seek(0)
    copy = store.volume("copy")
    version = carry(store, store.volumes.begin_add(copy, read(file)))
    assert version.number == 1
    assert store.volumes.history(copy).versions[0].by == Committer(via="api")
    expected = {m.parts: m.entry for m in members(full) if m.parts != ("talk",)}
    assert {(): version.tree.root.entry, **dict(version.tree.walk())} == expected
    assert store.stack(copy) == version.tree
    edition = store.volumes.edition(copy)
    for parts, entry in version.tree.walk():
        if entry.kind.value == "f":
            assert edition.find(parts).read_bytes() == full.find(parts).read_bytes()
    edition.close()


def test_it_adds_to_what_is_there(store):
    volume = store.volume()
    store.put(volume, d__a=b"1", d__b=b"2", e=b"3")
    store.clock.at += 100
    bring(store, volume, (header("d/a", mtime=7, mode=0o600), b"new"), (header("f/g/h"), b"4"))
    assert store.files(volume) == {"d/a": b"new", "d/b": b"2", "e": b"3", "f/g/h": b"4"}
    tree = store.volumes.history(volume).head.tree
    assert (tree.get(("d", "a")).mtime_ns, tree.get(("d", "a")).mode) == (7 * 10**9, 0o600)
    now_ns = int(store.clock.at * 1e9)
    assert tree.get(("f", "g")).mtime_ns == tree.get(("f",)).mtime_ns == now_ns
    assert tree.root.entry.mtime_ns == now_ns
    assert tree.get(("d",)).mtime_ns == now_ns - 100 * 10**9  # nothing came into it or left it
    assert store.stack(volume) == tree


@pytest.mark.parametrize("order", [1, -1])
def test_directories_keep_the_times_of_the_archive(store, order):
    """Wherever the directory stands in the archive, before what is in it or after."""
    volume = store.volume()
    made = [(header("d", DIR, mtime=5, mode=0o750), b""), (header("d/a"), b"1")]
    bring(store, volume, *made[::order])
    folder = store.volumes.history(volume).head.tree.get(("d",))
    assert (folder.mtime_ns, folder.mode) == (5 * 10**9, 0o750)
    store.files(volume)


def test_hard_links_are_files_of_the_same_bytes(store):
    volume = store.volume()
    bring(
        store,
        volume,
        (header("a", mtime=3, mode=0o640), b"same"),
        (header("d/b", HARD, linkname="a", mode=0o640), b""),
    )
    assert store.files(volume) == {"a": b"same", "d/b": b"same"}
    found = shown(store, volume)
    assert found["a",] == found["d", "b"]


def test_of_one_path_the_last_counts(store):
    volume = store.volume()
    store.put(volume, a=b"0")
    bring(
        store,
        volume,
        (header("a"), b"1"),
        (header("a", LINK, linkname="x"), b""),
        (header("a"), b"2"),
        (header("d", DIR, mtime=1), b""),
        (header("d", DIR, mtime=2), b""),
    )
    assert store.files(volume) == {"a": b"2"}
    assert shown(store, volume)["d",].mtime_ns == 2 * 10**9


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ([header("d")], "'d' is a directory in the Volume, and not in what is to be added"),
        ([header("a", DIR)], "'a' is a file in the Volume, and not in what is to be added"),
        ([header("a/b")], "'a/b': 'a' is not a directory"),
        ([header("link/b")], "'link/b': 'link' is not a directory"),
        (
            [header("x", LINK, linkname="/tmp"), header("x/y")],
            "'x/y': 'x' is not a directory",
        ),
        ([header("x/y"), header("x")], "'x' is in the archive as a file and as a directory"),
        ([header("x", DIR), header("x")], "'x' is in the archive as a file and as a directory"),
        (
            [header("x", HARD, linkname="a")],
            "'x' is a link to 'a', which is no file that came before it",
        ),
        (
            [header("x"), header("x", HARD, linkname="x")],
            "'x' is a link to 'x', which is no file that came before it",
        ),
        (
            [header("l", LINK, linkname="a"), header("x", HARD, linkname="l")],
            "'x' is a link to 'l', which is no file that came before it",
        ),
        ([header("../x")], "'../x' leads out of the Volume"),
    ],
)
def test_what_does_not_fit_is_refused_whole(store, made, text):
    volume = store.volume()
    store.put(volume, a=b"1", d__b=b"2")
    box = store.volumes.checkout(volume, "ta")
    (box.changes / "link").symlink_to("d")
    store.commit(box)
    before = store.volumes.history(volume)
    rooms = sorted((store.directory / "volumes" / volume).iterdir())
    with pytest.raises(Invalid) as caught:
        bring(store, volume, (header("fine"), b"1"), *((h, b"") for h in made))
    assert caught.value.message == text
    assert store.volumes.history(volume) is before
    assert sorted((store.directory / "volumes" / volume).iterdir()) == rooms


def test_a_refusal_of_the_newest_version_counts(store):
    """What came into the volume while the archive was read is looked at as well."""
    volume = store.volume()
    writing = store.volumes.begin_add(volume, read(io.BytesIO(tar((header("a"), b"1")))))
    written = writing.write()
    store.put(volume, a__b=b"1")
    with pytest.raises(Invalid, match="'a' is a directory in the Volume"):
        store.volumes.finish(writing, written, API)
    assert store.files(volume) == {"a/b": b"1"}


def test_limits_hold_for_archives(make_store):
    store = make_store(on_disk=False, limits=VolumeLimits(v1_inodes=3))
    volume = store.volume()
    with pytest.raises(Conflict, match="No space left on device"):
        bring(store, volume, *((header(f"f{n}"), b"") for n in range(4)))
    assert store.paths(volume) == []


def test_an_archive_that_breaks_off_leaves_nothing(store):
    volume = store.volume()
    whole = tar(*((header(f"f{n}"), b"x" * 2000) for n in range(5)))
    for end in range(0, len(whole) - 8192, 700):
        with pytest.raises(EmulatorError):
            carry(store, store.volumes.begin_add(volume, read(io.BytesIO(whole[:end]))))
    assert store.volumes.history(volume).head.number == 0
    assert list((store.directory / "volumes" / volume).iterdir()) == []


def test_paths_may_be_deep(store):
    volume = store.volume()
    deep = "/".join("d" * 1200)
    bring(store, volume, (header(f"{deep}/f"), b"1"))
    assert store.read(volume, f"{deep}/f") == b"1"
    assert store.volumes.history(volume).head.tree.count == 1201
    store.volumes.delete(volume)  # pytest could not: it recurses
    store.volumes.empty_trash()
    assert not list((store.directory / "volumes").glob("*/*"))


def test_modes_are_kept(store):
    volume = store.volume()
    bring(store, volume, (header("a", mode=0o4751), b"1"), (header("p", tarfile.FIFOTYPE), b""))
    path = store.volumes.locate(volume, "a").path
    assert stat.S_IMODE(path.stat().st_mode) == 0o4751

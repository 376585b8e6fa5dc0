"""Versions as tar archives: what goes out comes back, and what does not belong is refused."""

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from modal_emulator.ground.errors import Conflict, DataLoss, Invalid
from modal_emulator.store.tars import Member, fill, lay_out, members, pack, read
from modal_emulator.store.tree import Entry, Kind

ODD = os.fsdecode(b"odd-\xff")


def tar(*headers, **options):
    """Return an archive of headers made by hand, each with its bytes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as archive:
        for header, data in headers:
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return file.getvalue()


def header(name, kind=tarfile.REGTYPE, **fields):
    made = tarfile.TarInfo(name)
    made.type = kind
    for field, value in fields.items():
        setattr(made, field, value)
    return made


@pytest.fixture
def refusal(tmp_path):
    def refusal(data):
        with pytest.raises(Invalid) as caught:
            for number, member in enumerate(read(io.BytesIO(data))):
                fill(tmp_path / str(number), member)
        for path in tmp_path.iterdir():
            path.unlink()
        return caught.value.message

    return refusal


@pytest.fixture
def full(store):
    """An edition with one of everything, over several layers."""
    volume = store.volume(version=2)
    store.put(volume, d__deep__a_txt=b"a" * 1_000_000, empty=b"", old=b"old")
    view = store.volumes.checkout(volume, "ta")
    room = view.changes
    (room / "hollow").mkdir()
    (room / "link").symlink_to("d/deep")
    (room / "away").symlink_to("/etc/passwd")
    os.mkfifo(room / "pipe", 0o640)
    os.mknod(room / "talk", stat.S_IFSOCK | 0o600)
    (room / ODD).write_bytes(b"odd")
    (room / ("n" * 200)).mkdir()
    (room / ("n" * 200) / ("m" * 200)).write_text("long")
    (room / "program").write_text("#!")
    (room / "program").chmod(0o4751)
    os.utime(room / "program", ns=(5, 1_600_000_000_123_456_789))
    os.utime(room / "hollow", ns=(5, -1_500_000_000))
    (room / "hollow").chmod(0o500)
    (room / "ünï").write_text("code")
    os.mknod(room / "old", stat.S_IFCHR, 0)
    store.commit(view)
    edition = store.volumes.edition(volume)
    yield edition
    edition.close()


def entries(found):
    return {member.parts: member.entry for member in found}


def packed(edition):
    file = io.BytesIO()
    pack(edition, file)
    return file.getvalue()


def test_what_goes_out_comes_back(full):
    expected = entries(members(full))
    assert expected.pop(("talk",)).kind is Kind.SOCKET  # no archive can hold one
    assert ("old",) not in expected
    found = {}
    for member in read(io.BytesIO(packed(full))):
        found[member.parts] = member.entry
        if member.open is not None:
            with member.open() as file:
                assert file.read() == full.find(member.parts).read_bytes()
    assert found == expected
    assert {entry.kind for entry in found.values()} == set(Kind) - {Kind.SOCKET}


def test_tar_itself_understands_it(full, tmp_path):
    (tmp_path / "v.tar").write_bytes(packed(full))
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xpf", "v.tar", "-C", "out"], cwd=tmp_path, check=True)
    for member in members(full):
        if member.entry.kind is Kind.SOCKET:
            continue
        path = tmp_path.joinpath("out", *member.parts)
        status = path.lstat()
        if member.entry.kind is not Kind.SYMLINK:
            assert stat.S_IMODE(status.st_mode) == member.entry.mode, path
        assert status.st_mtime_ns == member.entry.mtime_ns, path


@pytest.mark.parametrize(
    "how", ["--format=gnu", "--format=pax", "--format=ustar", "-z", "-j", "-J"]
)
def test_archives_that_tar_makes_are_read(tmp_path, how):
    (tmp_path / "in" / "d").mkdir(parents=True)
    (tmp_path / "in" / "d" / "a").write_bytes(b"a" * 100_000)
    (tmp_path / "in" / "d" / "b").hardlink_to(tmp_path / "in" / "d" / "a")
    (tmp_path / "in" / "d" / "link").symlink_to("../nowhere")
    made = subprocess.run(["tar", "-c", how, "-C", "in", "."], cwd=tmp_path, capture_output=True)
    found = {member.parts: member for member in read(io.BytesIO(made.stdout))}
    assert set(found) == {(), ("d",), ("d", "a"), ("d", "b"), ("d", "link")}
    linked = [member.same_as for member in found.values() if member.same_as]
    assert linked in ([("d", "a")], [("d", "b")])
    assert found["d", "link"].entry.target == "../nowhere"


def test_files_with_holes_are_read(tmp_path):
    with (tmp_path / "holes").open("wb") as file:
        file.seek(5_000_000)
        file.write(b"end")
    made = subprocess.run(["tar", "-cS", "holes"], cwd=tmp_path, capture_output=True).stdout
    assert len(made) < 1_000_000
    (member,) = [
        (m.entry.size, m.open().read() == (tmp_path / "holes").read_bytes())
        for m in read(io.BytesIO(made))
    ]
    assert member == (5_000_003, True)


def test_names_are_tidied_as_tar_does():
    data = tar((header("/abs/./a//b"), b"x"))
    assert [member.parts for member in read(io.BytesIO(data))] == [("abs", "a", "b")]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (header("../x"), "'../x' leads out of the Volume"),
        (header("a/../../x"), "'a/../../x' leads out of the Volume"),
        (header("x", tarfile.LNKTYPE, linkname="../y"), "'../y' leads out of the Volume"),
        (header("d/tty", tarfile.CHRTYPE), "'d/tty' is a device or something else that a Volume"),
        (header("disk", tarfile.BLKTYPE), "'disk' is a device or something else that a Volume"),
        (header("."), "'.' is in the place of the root directory"),
        (header("n" * 256), "the path or a name in it is too long"),
        (header("/".join(["n" * 200] * 21)), "the path or a name in it is too long"),
        (header("x", mtime=1e30), "'x' has a time that no file can have"),
        (header("x", pax_headers={"mtime": "soon"}), "'x' has a time that no file can have"),
    ],
)
def test_what_a_volume_cannot_hold_is_refused(made, text, refusal):
    assert text in refusal(tar((made, b""), format=tarfile.PAX_FORMAT))


def test_what_is_no_whole_archive_is_refused(refusal):
    whole = tar((header("a"), b"1" * 3000), (header("b"), b"2" * 3000))
    assert "damaged or cut short" in refusal(b"")
    assert "damaged or cut short" in refusal(b"text" * 1000)
    # At every place: within a header, within bytes, between files, before the end mark.
    for end in range(0, 2 * (512 + 3072) + 1, 256):
        assert refusal(whole[:end]), end
    assert len(list(read(io.BytesIO(whole)))) == 2
    import gzip

    assert "cannot be read" in refusal(gzip.compress(whole)[:-30])


def test_memory_does_not_grow_with_the_archive(monkeypatch):
    """The members that were read are forgotten, and a file's bytes come in pieces."""
    import tracemalloc

    class Endless:
        """Twenty files of a megabyte and many empty ones, made while they are read."""

        def __init__(self):
            self.pieces = self.make()
            self.left = b""

        def make(self):
            for number in range(20):
                yield header(f"f{number}", size=1 << 20).tobuf()
                for _ in range(16):
                    yield bytes(1 << 16)
            for number in range(12_000):
                yield header(f"e{number}").tobuf()
            yield bytes(1024)

        def read(self, size):
            while len(self.left) < size and (piece := next(self.pieces, b"")):
                self.left += piece
            data, self.left = self.left[:size], self.left[size:]
            return data

    tracemalloc.start()
    count = names = 0
    for member in read(Endless()):
        with member.open() as file:
            while data := file.read(1 << 16):
                count += len(data)
        names += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (count, names) == (20 << 20, 12_020)
    assert peak < 4 << 20


# -------------------------------------------------------------------- onto a disk


@pytest.mark.parametrize("there", [True, False])
def test_an_edition_is_laid_out(full, tmp_path, there):
    target = tmp_path / "out"
    if there:
        target.mkdir()
    lay_out(members(full), target)
    for member in members(full):
        path, entry = target.joinpath(*member.parts), member.entry
        status = path.lstat()
        assert status.st_mtime_ns == entry.mtime_ns, path
        if entry.kind is Kind.SYMLINK:
            assert str(path.readlink()) == entry.target
            continue
        assert stat.S_IMODE(status.st_mode) == entry.mode, path
        if entry.kind is Kind.FILE:
            assert path.read_bytes() == full.find(member.parts).read_bytes()
            assert status.st_ino != full.find(member.parts).stat().st_ino  # not the store's own


def test_only_a_new_or_empty_directory_is_written_to(full, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "link").symlink_to(tmp_path / "full")
    for name in ("file", "full", "link"):
        with pytest.raises(Conflict, match=f"{name} is there already and is not an empty"):
            lay_out(members(full), tmp_path / name)
    assert sorted(path.name for path in (tmp_path / "full").iterdir()) == ["mine"]


@pytest.mark.parametrize("there", [True, False])
def test_what_fails_leaves_nothing(full, tmp_path, there):
    def half():
        for number, member in enumerate(members(full)):
            if number == 5:
                raise OSError(28, "No space left on device")
            yield member

    target = tmp_path / "out"
    if there:
        target.mkdir()
    with pytest.raises(OSError, match="No space"):
        lay_out(half(), target)
    assert (list(target.iterdir()) == []) if there else not target.exists()


def test_nothing_is_written_through_a_link(tmp_path):
    folder = Entry(Kind.DIRECTORY, 0, 0, 0o755)
    away = Entry(Kind.SYMLINK, 1, 0, 0o777, str(tmp_path))
    file = Entry(Kind.FILE, 0, 0, 0o644)
    found = [
        Member((), folder),
        Member(("link",), away),
        Member(("link", "x"), file, lambda: io.BytesIO()),
    ]
    with pytest.raises(Invalid, match="'link/x' comes before the directory that it is in"):
        lay_out(found, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_hard_links_are_no_part_of_an_edition(tmp_path):
    data = tar(
        (header(".", tarfile.DIRTYPE), b""), (header("x", tarfile.LNKTYPE, linkname="y"), b"")
    )
    found = read(io.BytesIO(data))
    with pytest.raises(Invalid, match="'x' is a hard link, and editions have none"):
        lay_out(found, tmp_path / "out")


def test_a_file_that_is_not_whole_is_told(tmp_path):
    folder = Entry(Kind.DIRECTORY, 0, 0, 0o755)
    file = Entry(Kind.FILE, 9, 0, 0o644)
    found = [Member((), folder), Member(("x",), file, lambda: io.BytesIO(b"1234"))]
    with pytest.raises(DataLoss, match="'x' has 4 of 9 bytes"):
        lay_out(found, tmp_path / "out")
    assert not Path(tmp_path / "out").exists()

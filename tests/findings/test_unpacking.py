"""What is compressed is read in pieces, up to a bound, and no matter how broken it is."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path

import pytest

from modal_emulator.findings.unpacking import Unpacked, members, packing

TEXT = b"a secret, " * 100
PACKED = {"gzip": gzip.compress(TEXT, mtime=0), "zlib": zlib.compress(TEXT)}
MIB = 1 << 20


def zipped(*texts: bytes, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"{number}.txt", text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PACKED["gzip"], "gzip"),
        (PACKED["zlib"], "zlib"),
        (zlib.compress(TEXT, 9), "zlib"),
        (zipped(TEXT), "zip"),
        (TEXT, ""),
        (b"x", ""),
        (b"", ""),
        (b"\x7fELF", ""),
    ],
    ids=["gzip", "zlib", "zlib at its best", "zip", "text", "a letter", "nothing", "a program"],
)
def test_it_is_known_by_how_it_begins(data: bytes, kind: str) -> None:
    assert packing(data[:4]) == kind


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_pieces_make_the_whole(kind: str, size: int) -> None:
    unpacked, data = Unpacked(MIB), PACKED[kind]
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert b"".join(out for piece in pieces for out in unpacked.feed(piece)) == TEXT


def test_one_after_the_other_is_read_on() -> None:
    assert b"".join(Unpacked(MIB).feed(PACKED["gzip"] * 3)) == TEXT * 3


def test_no_more_than_is_asked_for_and_no_piece_too_large() -> None:
    bomb = gzip.compress(bytes(20 * MIB))
    sizes = [len(piece) for piece in Unpacked(5 * MIB).feed(bomb)]
    assert sum(sizes) == 5 * MIB and max(sizes) <= MIB
    assert list(Unpacked(0).feed(bomb)) == []


def test_what_is_broken_ends_there() -> None:
    unpacked = Unpacked(MIB)
    assert list(unpacked.feed(PACKED["gzip"][:10] + b"\xff" * 50)) == []
    assert list(unpacked.feed(PACKED["gzip"])) == []
    assert list(Unpacked(MIB).feed(b"x^2 is no zlib")) == []


def read(path: Path, most: int = MIB) -> list[bytes]:
    return [b"".join(member) for member in members(path, most)]


def test_members_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "some.zip"
    path.write_bytes(zipped(TEXT, b"other " * 9))
    assert read(path) == [TEXT, b"other " * 9]
    assert read(path, 10) == [TEXT[:10]]
    path.write_bytes(zipped(TEXT, how=zipfile.ZIP_STORED))
    assert read(path) == []
    path.write_bytes(zipped(bytes(3 * MIB), bytes(3 * MIB)))
    assert [len(member) for member in read(path, 4 * MIB)] == [3 * MIB, MIB]


def test_archives_that_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    whole = zipped(TEXT, TEXT)
    for size in range(0, len(whole), 5):
        path.write_bytes(whole[:size])
        assert read(path) == []
    for at in range(30, len(whole), 3):
        path.write_bytes(whole[:at] + b"\xff\x00\xff" + whole[at + 3 :])
        assert len(read(path)) <= 2
    assert read(tmp_path / "missing") == []

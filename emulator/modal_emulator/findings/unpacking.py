"""
What is compressed, made readable piece by piece, and no more of it than is asked for.

It knows gzip, zlib and the members of zip archives by how they begin. Whatever is broken ends
there, without a word: it is looked through because it may hold something, not because it must.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Unpacked", "members", "packing"]

_PIECE = 1 << 20
_MEMBERS = 10_000
_GZIP_OR_ZLIB = 47
"""As zlib has it: whichever of the two it is."""
_ENCRYPTED = 1
_BROKEN = (OSError, EOFError, ValueError, RuntimeError, struct.error, zlib.error)


def packing(beginning: bytes) -> str:
    """Return how something is compressed that begins so: gzip, zlib, zip, or not at all."""
    if beginning.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if beginning.startswith(b"PK\x03\x04"):
        return "zip"
    if len(beginning) < 2 or beginning[0] & 0x8F != 8:
        return ""
    return "zlib" if int.from_bytes(beginning[:2], "big") % 31 == 0 else ""


class Unpacked:
    """What comes compressed by gzip or zlib, in pieces; nothing beyond `most` bytes of it."""

    __slots__ = ("_inflater", "_left")

    def __init__(self, most: int) -> None:
        self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._left = most

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes are, in pieces of bounded size."""
        while data and self._left > 0:
            try:
                piece = self._inflater.decompress(data, min(_PIECE, self._left))
            except zlib.error:
                self._left = 0
                return
            self._left -= len(piece)
            data = self._inflater.unconsumed_tail
            if self._inflater.eof:  # another one may follow, as where logs are appended to
                data = self._inflater.unused_data
                self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
            if piece:
                yield piece


def members(path: Path, most: int) -> Iterator[Iterator[bytes]]:
    """Yield the compressed members of a zip archive, each as its pieces; `most` bytes of all."""
    left = most
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist()[:_MEMBERS]:
                if left <= 0:
                    return
                # What is only stored stands in the archive as it is.
                is_packed = member.compress_type == zipfile.ZIP_DEFLATED
                if is_packed and not member.flag_bits & _ENCRYPTED:
                    yield _pieces(archive, member, left)
                    left -= member.file_size
    except (*_BROKEN, zipfile.BadZipFile):
        return


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> Iterator[bytes]:
    try:
        with archive.open(member) as file:
            while most > 0 and (piece := file.read(min(_PIECE, most))):
                most -= len(piece)
                yield piece
    except (*_BROKEN, zipfile.BadZipFile):
        return

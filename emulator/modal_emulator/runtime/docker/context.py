"""What is sent along with a build: the Dockerfile and the files that it may copy."""

import io
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from modal_emulator.runtime.merged import walk

__all__ = ["DOCKERFILE", "pack"]

DOCKERFILE = ".modal-emulator.dockerfile"
_IGNORED = ".dockerignore"
_IN_MEMORY = 16 * 2**20


@contextmanager
def pack(dockerfile: str, context: Path | None, files: Mapping[str, bytes]) -> Iterator[IO[bytes]]:
    """Give an archive that is gone after the block."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as written:
        with tarfile.open(fileobj=written, mode="w") as archive:
            for found in walk((context,)) if context is not None else ():
                if found.path not in (_IGNORED, DOCKERFILE):
                    _add(archive, found.source, found.path)
            for path, data in files.items():
                _put(archive, posixpath.normpath(path).lstrip("/"), data)
            # `COPY .` takes all of the context; what only we need is not in it.
            _put(archive, _IGNORED, f"{_IGNORED}\n{DOCKERFILE}\n".encode())
            _put(archive, DOCKERFILE, f"{dockerfile}\n".encode())
        written.seek(0)
        yield written


def _add(archive: tarfile.TarFile, source: Path, name: str) -> None:
    entry = archive.gettarinfo(str(source), name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    if entry.isdir():
        entry.mode = 0o755
    # Two names of one content are two files.
    entry.type, entry.linkname = (
        (tarfile.REGTYPE, "") if entry.islnk() else (entry.type, entry.linkname)
    )
    if entry.isreg():
        entry.size = source.stat().st_size
        with source.open("rb") as reader:
            archive.addfile(entry, reader)
    else:
        archive.addfile(entry)


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))

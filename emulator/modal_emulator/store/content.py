"""
Bytes by digest, on disk.

Whoever sends bytes writes into a `Receiver`; only what has the announced length and digests is
ever visible under its sha256, by one rename. A file of it may be shown elsewhere by a hard link
(`show`), so nobody writes to one, there or here. Bytes of unfinished transfers are swept when the
next World opens the directory. It knows no volume, blob or protocol.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from modal_emulator.ground.errors import Conflict, DataLoss, Invalid, NotFound

__all__ = ["Content", "Receiver"]

MOST_LINKS = 30_000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_EMPTY = hashlib.sha256(b"").hexdigest()


class Receiver:
    """
    Takes the bytes of one transfer, piece by piece.

    End it with `finish` or `abort`; a transfer that is dropped without either leaves a file that
    the next opening sweeps.
    """

    def __init__(
        self,
        shelf: "Content",
        sha256: str | None,
        md5: str | None,
        length: int | None,
        then: Callable[[str, int], None],
    ) -> None:
        self._shelf = shelf
        self._sha256 = sha256
        self._md5 = md5
        self._length = length
        self._then = then
        self._received = 0
        self._hash = hashlib.sha256()
        self._check = None if md5 is None else hashlib.md5(usedforsecurity=False)
        handle, path = tempfile.mkstemp(dir=shelf.incoming)
        self._path = Path(path)
        self._file = os.fdopen(handle, "wb")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        if self._file.closed:
            raise Conflict("This transfer has ended")
        self._received += len(data)
        if self._length is not None and self._received > self._length:
            self.abort()
            raise Invalid(f"The body is longer than the {self._length} bytes that were announced")
        self._hash.update(data)
        if self._check is not None:
            self._check.update(data)
        self._file.write(data)

    def finish(self) -> str:
        """Check what came and make it visible; returns its sha256."""
        if self._file.closed:
            raise Conflict("This transfer has ended")
        self._file.close()
        sha256 = self._hash.hexdigest()
        try:
            self._verify(sha256)
            self._shelf.adopt(self._path, sha256)
        except BaseException:
            self.abort()
            raise
        self._then(sha256, self._received)
        return sha256

    def abort(self) -> None:
        """Drop what came; a second call does nothing."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _verify(self, sha256: str) -> None:
        if self._length is not None and self._received != self._length:
            raise Invalid(
                f"The body ended after {self._received} of the {self._length} bytes announced"
            )
        if self._sha256 is not None and sha256 != self._sha256:
            raise DataLoss(f"The body has sha256 {sha256}, not {self._sha256} as announced")
        if self._check is not None and self._check.hexdigest() != self._md5:
            raise DataLoss(
                f"The body has MD5 {self._check.hexdigest()}, not {self._md5} as announced"
            )


class Content:
    """The bytes of one World, each kept once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._showing = Lock()
        self.incoming = directory / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self.incoming.iterdir():
            leftover.unlink()

    def has(self, sha256: str) -> bool:
        """Say whether these bytes are here."""
        return sha256 == _EMPTY or self._place(sha256).exists()

    def path(self, sha256: str) -> Path:
        """Return the file that holds these bytes; nobody may write to it."""
        place = self._place(sha256)
        if not place.exists():
            if sha256 != _EMPTY:
                raise NotFound(f"No content with sha256 {sha256}")
            self.receive().finish()  # nobody needs to send nothing, so it is made when asked for
        return place

    def size(self, sha256: str) -> int:
        """Return how many bytes there are."""
        return self.path(sha256).stat().st_size

    def show(self, sha256: str, target: Path, *, mode: int, mtime_ns: int) -> None:
        """
        Show these bytes at another path, with this mode and time; safe in any thread.

        They are not copied if the file can be the same one: when nobody shows it yet, or as this.
        """
        source = self.path(sha256)
        with self._showing:
            status = source.stat()
            alone = status.st_nlink == 1 and mode & stat.S_IRUSR  # we must be able to read it
            shown = (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (mode, mtime_ns)
            if alone and not shown:
                source.chmod(mode)
                os.utime(source, ns=(mtime_ns, mtime_ns))
            # A file can have 65,000 links on ext4; it gets no more than it surely may have.
            if (alone or shown) and status.st_nlink < MOST_LINKS:
                os.link(source, target)
                return
        shutil.copyfile(source, target)
        target.chmod(mode)
        os.utime(target, ns=(mtime_ns, mtime_ns))

    def receive(
        self,
        sha256: str | None = None,
        md5: str | None = None,
        length: int | None = None,
        then: Callable[[str, int], None] = lambda sha256, length: None,
    ) -> Receiver:
        """
        Begin a transfer; digests in hex.

        `then` is called with digest and length when it has ended well.
        """
        if sha256 is not None and not _SHA256.fullmatch(sha256):
            raise Invalid(f"{sha256!r} is not a sha256 in hex")
        return Receiver(self, sha256, md5, length, then)

    def add(self, data: bytes) -> str:
        """Keep these bytes; returns their sha256."""
        receiver = self.receive()
        receiver.write(data)
        return receiver.finish()

    def adopt(self, path: Path, sha256: str) -> None:
        """Make a checked file of `incoming` visible as the bytes of this digest."""
        place = self._place(sha256)
        place.parent.mkdir(exist_ok=True)
        path.replace(place)

    def _place(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            sha256 = "none"  # nothing has that name, and no other path can be made of it
        return Path(f"{self._directory}/{sha256[:2]}/{sha256}")

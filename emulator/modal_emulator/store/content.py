"""
Bytes by digest, on disk.

Whoever sends bytes writes into a `Receiver`; only what has the announced length and digests is
ever visible under its sha256, by one rename. A file of it may be shown elsewhere by a hard link
(`show`), so nobody writes to one, there or here. Bytes of unfinished transfers are swept when the
next World opens the directory. It knows no volume, blob or protocol.
"""

import hashlib
import itertools
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from threading import Lock, RLock

from modal_emulator.ground.errors import Conflict, DataLoss, Invalid, NotFound
from modal_emulator.store.bundles import Bundles, Extent, Slot

__all__ = ["Content", "Receiver"]

MOST_LINKS = 30_000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_EMPTY = hashlib.sha256(b"").hexdigest()
_FLAGS = os.O_WRONLY | os.O_CLOEXEC


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
        slot: Slot | None = None,
    ) -> None:
        self._shelf = shelf
        self._sha256 = sha256
        self._promised_md5 = md5
        self._length = length
        self._then = then
        self._slot = slot
        self._received = 0
        self._writing = RLock()
        self._hash = hashlib.sha256()
        self._check = hashlib.md5(usedforsecurity=False)
        if slot is None:
            self._path, self._start = shelf.incoming_path(), 0
            self._file = os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        else:
            self._path, self._start = slot.path, slot.start
            self._file = os.open(self._path, _FLAGS)

    @property
    def lanes(self) -> Sequence[Callable[[bytes], None]]:
        """What has to see all bytes in their order; each may do so in a thread of its own."""
        return (self._take,) if self._promised_md5 is None else (self._take, self._check.update)

    @property
    def md5(self) -> str:
        """The MD5 of what came, if one was promised or asked for."""
        return self._check.hexdigest()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        for lane in self.lanes:
            lane(data)

    def finish(self) -> str:
        """Check what came and make it visible; returns its sha256."""
        self._open()
        sha256 = self._hash.hexdigest()
        try:
            self._verify(sha256)
            if self._slot is None:
                self._shelf.adopt(self._path, sha256)
        except BaseException:
            self.abort()
            raise
        self._close()
        if self._slot is not None:
            self._shelf.bundles.settle(sha256, self._slot, self._received)
        self._then(sha256, self._received)
        return sha256

    def abort(self) -> None:
        """Drop what came; a second call does nothing."""
        self._close()
        if self._slot is None:
            self._path.unlink(missing_ok=True)

    def _take(self, data: bytes) -> None:
        # Held against `abort` from elsewhere: the number of a closed file is soon another file's.
        with self._writing:
            self._open()
            most = self._length if self._slot is None else self._slot.room
            if most is not None and self._received + len(data) > most:
                self.abort()
                raise Invalid(f"The body is longer than the {most} bytes that were announced")
            self._hash.update(data)
            left = memoryview(data)
            while left:
                count = os.pwrite(self._file, left, self._start + self._received)
                self._received += count
                left = left[count:]

    def _open(self) -> None:
        if self._file < 0:
            raise Conflict("This transfer has ended")

    def _close(self) -> None:
        with self._writing:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _verify(self, sha256: str) -> None:
        if self._length is not None and self._received != self._length:
            raise Invalid(
                f"The body ended after {self._received} of the {self._length} bytes announced"
            )
        if self._sha256 is not None and sha256 != self._sha256:
            raise DataLoss(f"The body has sha256 {sha256}, not {self._sha256} as announced")
        if self._promised_md5 and self.md5 != self._promised_md5:
            raise DataLoss(f"The body has MD5 {self.md5}, not {self._promised_md5} as announced")


class Content:
    """The bytes of one World, each kept once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._showing = Lock()
        self._numbers = itertools.count()
        self.bundles = Bundles(directory / "bundles")
        self.incoming = directory / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)
        for leftover in self.incoming.iterdir():
            leftover.unlink()

    def has(self, sha256: str) -> bool:
        """Say whether these bytes are here, in a file of their own."""
        return sha256 == _EMPTY or os.path.exists(self._place(sha256))  # noqa: PTH110 - asked often

    def path(self, sha256: str) -> Path:
        """Return the file that holds these bytes; nobody may write to it."""
        if not self.has(sha256):
            raise NotFound(f"No content with sha256 {sha256}")
        place = Path(self._place(sha256))
        if sha256 == _EMPTY and not place.exists():
            self.receive().finish()  # nobody needs to send nothing, so it is made when asked for
        return place

    def size(self, sha256: str) -> int:
        """Return how many bytes there are."""
        return self.path(sha256).stat().st_size

    def show(self, source: Path, target: Path, *, mode: int, mtime_ns: int) -> None:
        """
        Show a file of ours at another path, with this mode and time; safe in any thread.

        It is not copied if it can be the same file: when nobody shows it yet, or as this.
        """
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

    def sweep(self, needed: Collection[str]) -> None:
        """Delete what no layer shows and is not among these; for the opening, before all else."""
        for directory in self._directory.iterdir():
            if len(directory.name) != 2:
                continue  # what is under way, which has been swept
            with os.scandir(directory) as listing:
                for file in listing:
                    if file.name not in needed and file.stat().st_nlink == 1:
                        os.unlink(file.path)  # noqa: PTH108 - many, and a Path for each is slow

    # ---------------------------------------------------------------- files in pieces

    def expect(self, pieces: Sequence[str], size: int, piece_size: int) -> None:
        """Make room for a file of many pieces, if none of them is here or expected already."""
        if len(pieces) < 2:
            return
        wanted = [sha256 for sha256 in pieces if sha256 != _EMPTY]
        known = any(self.piece(p) is not None or self.bundles.awaits(p) for p in wanted)
        if wanted and not known:
            self.bundles.open(_with_holes(pieces), size, piece_size)

    def piece(self, sha256: str) -> Extent | None:
        """Return where these bytes are, in whatever file; safe in any thread."""
        found = self.bundles.find(sha256)
        if found is not None:
            return found
        place = self._place(sha256)
        try:
            return Extent(Path(place), 0, os.stat(place).st_size)  # noqa: PTH116 - asked often
        except FileNotFoundError:
            return Extent(self.path(sha256), 0, 0) if sha256 == _EMPTY else None

    def whole(self, pieces: Sequence[str], size: int, piece_size: int) -> Path | None:
        """Return a file of ours that is these pieces in a row, if there is one."""
        if len(pieces) == 1 and self.has(pieces[0]) and self.size(pieces[0]) == size:
            return self.path(pieces[0])
        return self.bundles.whole(_with_holes(pieces), size, piece_size)

    def receive_piece(self, sha256: str) -> Receiver:
        """Begin the transfer of a piece, to where it is expected."""
        _check_digest(sha256)
        slot = self.bundles.claim(sha256)
        return Receiver(self, sha256, None, None, lambda sha256, length: None, slot)

    # ---------------------------------------------------------------- receiving

    def receive(
        self,
        sha256: str | None = None,
        md5: str | None = None,
        length: int | None = None,
        then: Callable[[str, int], None] = lambda sha256, length: None,
    ) -> Receiver:
        """
        Begin a transfer; digests in hex, an empty `md5` is computed and not checked.

        `then` is called with digest and length when it has ended well.
        """
        if sha256 is not None:
            _check_digest(sha256)
        return Receiver(self, sha256, md5, length, then)

    def add(self, data: bytes) -> str:
        """Keep these bytes; returns their sha256."""
        receiver = self.receive()
        receiver.write(data)
        return receiver.finish()

    def incoming_path(self) -> Path:
        """Return a path for a transfer that no other has."""
        return self.incoming / str(next(self._numbers))

    def adopt(self, path: Path, sha256: str) -> None:
        """Make a checked file of `incoming` visible as the bytes of this digest."""
        place = Path(self._place(sha256))
        try:
            path.replace(place)
        except FileNotFoundError:
            place.parent.mkdir(exist_ok=True)
            path.replace(place)

    def _place(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            sha256 = "none"  # nothing has that name, and no other path can be made of it
        return f"{self._directory}/{sha256[:2]}/{sha256}"


def _check_digest(sha256: str) -> None:
    if not _SHA256.fullmatch(sha256):
        raise Invalid(f"{sha256!r} is not a sha256 in hex")


def _with_holes(pieces: Sequence[str]) -> list[str]:
    return ["" if sha256 == _EMPTY else sha256 for sha256 in pieces]

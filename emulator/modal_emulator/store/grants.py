"""
What a URL of the side door allows.

A grant is a token that nobody can guess. It stands for one thing: to bring the bytes with this
digest, the body of this blob or an archive, or to fetch this part of that file or a version of a
volume. A file that is to be
fetched is pinned by a hard link, so that a commit or a deletion between the grant and the fetch
cannot change what arrives. Grants and pins end an hour after they were made, and with the World.
It knows no HTTP.
"""

import shutil
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import ID_LENGTH, Ids

__all__ = [
    "LIFETIME",
    "NOT_KEPT",
    "Bring",
    "BringArchive",
    "BringBlob",
    "Fetch",
    "FetchVersion",
    "Grant",
    "Grants",
]

NOT_KEPT = b"not kept: "
"""How the answer to bytes begins that could not be kept; why comes after it."""

LIFETIME = (
    3600.0  # Modal's own is unknown; its uploads of one file may take an hour (SDK:volume.py)
)


@dataclass(frozen=True, slots=True)
class Bring:
    """Bytes with this SHA-256 (hex) may be brought."""

    sha256: str


@dataclass(frozen=True, slots=True)
class BringBlob:
    """The body of this blob may be brought."""

    blob_id: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """A part of a file may be fetched."""

    path: Path
    start: int
    length: int
    volume_id: str = ""


@dataclass(frozen=True, slots=True)
class FetchVersion:
    """A version of a volume may be fetched, as an archive."""

    volume_id: str
    number: int


@dataclass(frozen=True, slots=True)
class BringArchive:
    """An archive may be brought that is added to a volume."""

    volume_id: str


Grant = Bring | BringBlob | Fetch | FetchVersion | BringArchive


@dataclass(frozen=True, slots=True)
class _Pin:
    path: Path
    until: float


class Grants:
    """Gives tokens out and knows what each stands for."""

    def __init__(self, directory: Path, clock: Clock, ids: Ids) -> None:
        # What an earlier process pinned is of no use: its tokens are gone.
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True, mode=0o700)
        self._directory = directory
        self._clock = clock
        self._ids = ids
        # Both in the order of their ends, because all live equally long.
        self._grants: OrderedDict[str, tuple[Grant, float]] = OrderedDict()
        self._pins: OrderedDict[tuple[int, int], _Pin] = OrderedDict()

    def give(self, grant: Grant) -> str:
        """Return a token for this grant."""
        return self._note(self._ids.secret(), grant)

    def redeem(self, token: str) -> Grant:
        """
        Return what the token stands for.

        Raises:
            NotFound: it stands for nothing, or no longer.
        """
        grant, until = self._grants.get(token, (None, 0.0))
        if grant is None or until <= self._clock.now():
            raise NotFound("this URL is unknown or has expired; ask for a new one")
        return grant

    def as_blob(self, fetch: Fetch) -> str:
        """Return the id of a blob that is this part of a file."""
        return self._note(f"bl-{self._ids.secret(ID_LENGTH)}", fetch)

    def blob(self, blob_id: str) -> Fetch | None:
        """Return the part of a file that this blob is, if it was made by `as_blob`."""
        grant, until = self._grants.get(blob_id, (None, 0.0))
        return grant if isinstance(grant, Fetch) and until > self._clock.now() else None

    def pin(self, path: Path) -> Path:
        """Keep the file as it is now, whatever becomes of its name; return a path that stays."""
        self._forget_the_old()
        status = path.stat(follow_symlinks=False)
        # One link for a file however often it is asked for: ext4 allows 65,000.
        inode = (status.st_dev, status.st_ino)
        pin = self._pins.pop(inode, None)
        if pin is None:
            pinned = self._directory / self._ids.mint("pin")
            pinned.hardlink_to(path)
        else:
            pinned = pin.path
        self._pins[inode] = _Pin(pinned, self._clock.now() + LIFETIME)
        return pinned

    def close(self) -> None:
        """Forget all of them and let the pinned files go."""
        self._grants.clear()
        self._pins.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _note(self, token: str, grant: Grant) -> str:
        self._forget_the_old()
        self._grants[token] = (grant, self._clock.now() + LIFETIME)
        return token

    def _forget_the_old(self) -> None:
        now = self._clock.now()
        while self._grants and next(iter(self._grants.values()))[1] <= now:
            self._grants.popitem(last=False)
        # A pin outlives the grants that were given for it at once, and ends before any
        # given later for it alone: such a fetch asks for the pin again.
        while self._pins and next(iter(self._pins.values())).until <= now:
            _, pin = self._pins.popitem(last=False)
            pin.path.unlink(missing_ok=True)

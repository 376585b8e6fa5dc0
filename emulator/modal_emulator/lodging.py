"""
Where one emulator keeps its files, and the lock that says it is still there.

A given directory is the user's and stays. Without one a private directory is taken, in memory
where the machine has room for it, and removed at the end. What a killed emulator could not remove
is removed by the next one that starts: nobody holds its lock any more.
"""

import fcntl
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Thread

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.removal import dispose, remove_tree

__all__ = ["Lodging", "announced"]

FAST = Path("/dev/shm")  # noqa: S108 (a private directory is made in it)
PREFIX = "modal-emulator-"
LOCK = "alive"
ADDRESS, TOKEN, AUTHORITY = "address", "token", "ca.pem"
LITTLE = 100  # names; to wake a thread up takes longer than to remove them
# A unix socket's name has 108 bytes at most; this leaves some for a number and a slash.
LONGEST = 90


class Lodging:
    """The directories of one emulator."""

    def __init__(self, directory: Path | None) -> None:
        self.durable = directory is not None
        self._scratch: list[tuple[Path, int]] = []
        self._going: list[Thread] = []
        self._announced = False
        _remove_orphans(FAST)
        _remove_orphans(Path(tempfile.gettempdir()))
        if directory is None:
            self.base = self._take(FAST if _has_room(FAST) else None)
        else:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.base = directory.absolute()
        self.sockets = self.base / "sockets"
        if len(os.fsencode(self.sockets)) > LONGEST or self.durable:
            self.sockets = self._take(None)
        self.sockets.mkdir(mode=0o700, exist_ok=True)

    def token_secret(self, ids: Ids) -> str:
        """Return the demo token's secret: new for each server, the same for one directory."""
        fresh = f"as-{ids.secret(22)}"
        if not self.durable:
            return fresh
        path = self.base / TOKEN
        with suppress(FileExistsError):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w") as opened:
                opened.write(fresh)
        return path.read_text().strip() or fresh

    @property
    def authority(self) -> Path:
        """Where the certificate lies that clients have to trust."""
        return self.base / AUTHORITY

    def announce(self, url: str) -> None:
        """Leave word in a given directory where the server is that uses it."""
        if self.durable:
            (self.base / ADDRESS).write_text(url)
            self._announced = True

    def discard(self, path: Path) -> None:
        """Remove a directory: at once if little is in it, else while others go on."""
        with suppress(OSError):
            if dispose(path, LITTLE) < LITTLE:
                return
        thread = Thread(target=remove_tree, args=(path,), name="modal-emulator-removal")
        thread.start()
        self._going = [*(each for each in self._going if each.is_alive()), thread]

    def close(self) -> None:
        """Remove what is not the user's."""
        if self._announced:
            with suppress(OSError):  # on a disk that takes nothing any more; nobody answers there
                (self.base / ADDRESS).unlink()
        for thread in self._going:
            thread.join()
        for path, lock in self._scratch:
            remove_tree(path)
            os.close(lock)
        self._scratch.clear()

    def _take(self, where: Path | None) -> Path:
        # The process id tells whose it is, also after that process was killed.
        path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=where))
        # By its name it is there once it is locked: between the two, another emulator that starts
        # would take it for what a killed one left.
        lock = os.open(path / "new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (path / "new").rename(path / LOCK)
        self._scratch.append((path, lock))
        return path


def announced(directory: Path) -> tuple[str, str]:
    """
    Return address and token of the server that uses a directory, as it left word.

    Raises:
        NotFound: none does.
    """
    try:
        return (directory / ADDRESS).read_text(), (directory / TOKEN).read_text().strip()
    except OSError:
        raise NotFound(f"No server is running with the state directory {directory}.") from None


def _has_room(where: Path) -> bool:
    """Say whether there is memory for some gigabytes; containers often have 64 MiB only."""
    if not where.is_dir() or not os.access(where, os.W_OK):
        return False
    space = os.statvfs(where)
    return space.f_bavail * space.f_frsize >= 1 << 30


def _remove_orphans(where: Path) -> None:
    for path in where.glob(f"{PREFIX}*-*") if where.is_dir() else ():
        with suppress(OSError):
            _remove_if_orphan(path)


def _remove_if_orphan(path: Path) -> None:
    there = path.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid():
        return
    # A directory without a lock was not made by a `Lodging`, or is being made just now.
    lock = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(path)
    finally:
        os.close(lock)

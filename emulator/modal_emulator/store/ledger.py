"""
The one file that makes things true.

A document store on SQLite: a kind, a key and bytes. What the bytes mean is known to whoever put
them. A room whose things are many and have an order of their own keeps tables in it. The rule that
the rooms above keep: files go to disk first, then one transaction here makes them true, so a kill
at any instant leaves whole changes or none. (WAL with synchronous=NORMAL: a killed process loses
nothing that was acknowledged; a power cut may lose the newest moments, but never tears one.) It
knows no thread and no object of Modal's.
"""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from modal_emulator.ground.errors import Conflict, DataLoss, EmulatorError

__all__ = ["SCHEMA", "Ledger"]

SCHEMA = 1
"""Grows by one whenever an older emulator could no longer read what a newer one wrote."""

_TABLE = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)
)
"""

_TROUBLE = {
    "disk is full": errno.ENOSPC,
    "readonly database": errno.EROFS,
    "disk I/O error": errno.EIO,
    "unable to open database": errno.EIO,
}


class Ledger:
    """Documents by kind and key, changed in transactions; with no directory it lives in memory."""

    def __init__(self, directory: Path | None = None) -> None:
        self._undo: list[Callable[[], None]] = []
        self._then: list[Callable[[], None]] = []
        self._depth = 0
        self._broken = False
        self._lock = -1
        self._directory = directory
        if directory is None:
            self._database = sqlite3.connect(
                ":memory:", isolation_level=None, check_same_thread=False
            )
            self._database.execute(_TABLE)
            return
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)  # secrets live here; the directory may have been there before
        self._lock = _lock(directory)
        try:
            self._database = _open(directory / "ledger.db")
        except BaseException:
            os.close(self._lock)
            raise

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Keep `value`, in place of what was there."""
        self._execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", kind, key, value)

    def get(self, kind: str, key: str) -> bytes | None:
        """Return what is kept there, if anything."""
        rows = self._execute("SELECT value FROM documents WHERE kind = ? AND key = ?", kind, key)
        row = rows.fetchone()
        return None if row is None else bytes(row[0])

    def delete(self, kind: str, key: str) -> None:
        """Forget one document, if it is there."""
        self._execute("DELETE FROM documents WHERE kind = ? AND key = ?", kind, key)

    def own(self, tables: str) -> None:
        """Make the tables that a room keeps for itself, where documents would not do."""
        for definition in tables.split(";"):
            self._execute(definition)

    def run(self, statement: str, *values: str | bytes | float) -> sqlite3.Cursor:
        """Run a statement on such tables."""
        return self._execute(statement, *values)

    def clear(self, kind: str) -> None:
        """Forget every document of a kind."""
        self._execute("DELETE FROM documents WHERE kind = ?", kind)

    def all(self, kind: str, *, after: str = "") -> Iterator[tuple[str, bytes]]:
        """Go through the documents of a kind with keys beyond `after`, in order of their keys."""
        rows = self._execute(
            "SELECT key, value FROM documents WHERE kind = ? AND key > ? ORDER BY key", kind, after
        )
        for key, value in rows:
            yield str(key), bytes(value)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """
        Make everything inside true together, or nothing of it.

        May be nested; the outermost decides. An inner failure that is caught outside still undoes
        the whole: half of an inner change must never become true.
        """
        outermost = self._depth == 0
        if outermost:
            self._undo, self._then, self._broken = [], [], False
            self._execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
            if outermost:
                if self._broken:
                    raise EmulatorError("A part of this change failed, so nothing of it was kept.")
                self._execute("COMMIT")
        except BaseException:
            self._broken = True
            if outermost:
                self._roll_back()
            raise
        finally:
            self._depth -= 1
        if outermost:
            for then in self._then:
                then()

    def on_commit(self, then: Callable[[], None]) -> None:
        """Call `then` once the running transaction is true: what cannot be undone waits for it."""
        self._then.append(then)

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Call `undo` if the running transaction fails: what memory holds then follows the disk."""
        self._undo.append(undo)

    def close(self) -> None:
        """Let the file go; a second call does nothing."""
        self._database.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _execute(self, statement: str, *values: str | bytes | float) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise _of_the_disk(error, self._directory) from error

    def _roll_back(self) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        while self._undo:
            self._undo.pop()()


def _of_the_disk(error: sqlite3.DatabaseError, directory: Path | None) -> Exception:
    """Return what the system said to SQLite, as it would say it to us."""
    for words, number in _TROUBLE.items():
        if words in str(error):  # a code is known from Python 3.11 on only
            if number == errno.EIO and directory is not None:
                number = _reason(directory)
            return OSError(number, os.strerror(number))
    return error


def _reason(directory: Path) -> int:
    """Say why nothing can be written, where SQLite knows only that it could not."""
    disk = os.statvfs(directory)
    if disk.f_flag & os.ST_RDONLY:
        return errno.EROFS
    return errno.EIO if disk.f_bavail else errno.ENOSPC


def _lock(directory: Path) -> int:
    """Take the directory for this process; the kernel gives it back when the process ends."""
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise Conflict(
            f"The state directory {directory} is in use by another modal-emulator. "
            "Stop that one, or choose another directory."
        ) from None
    return handle


def _open(path: Path) -> sqlite3.Connection:
    # Made by us first: SQLite would give it the process's umask, and its side files copy the mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, SCHEMA):
            raise Conflict(
                f"The state in {path.parent} was written by another version of modal-emulator "
                f"(its format is {found}, this one reads {SCHEMA}). "
                "Use that version, or choose another directory."
            )
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_TABLE)
        database.execute(f"PRAGMA user_version = {SCHEMA}")
    except sqlite3.DatabaseError as error:
        database.close()
        trouble = _of_the_disk(error, path.parent)
        if isinstance(trouble, OSError):
            raise OSError(trouble.errno, trouble.strerror, str(path)) from error
        raise DataLoss(f"The state in {path} cannot be read: {error}") from error
    except BaseException:
        database.close()
        raise
    return database

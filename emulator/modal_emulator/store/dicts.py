"""
The entries of Dicts: bytes by bytes, each with the instant at which it expires.

They lie in a table of the ledger, with the order of these instants in an index, so no timer is
needed and no jump of the clock costs more than another: what has expired is not seen, and whatever
is done removes some of it. A read puts the instant off; it is written down only when it moved by
more than a `slack`, so that most reads write nothing. Which Dicts there are is not known here.
"""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Invalid, TooLarge
from modal_emulator.store.ledger import Ledger

__all__ = ["DictLimits", "Dicts"]

DAY_S = 86_400.0

_TABLES = """
CREATE TABLE IF NOT EXISTS dict_entries (
    id INTEGER PRIMARY KEY, dict TEXT NOT NULL, key BLOB NOT NULL, due REAL NOT NULL,
    value BLOB NOT NULL, UNIQUE (dict, key)
);
CREATE INDEX IF NOT EXISTS dict_entries_due ON dict_entries (due);
CREATE INDEX IF NOT EXISTS dict_entries_alive ON dict_entries (dict, due)
"""
_REMOVED_AT_ONCE = 64
"""Of what has expired, by each step: more than anybody adds in one step on an average."""
_ALIVE = "SELECT due, value FROM dict_entries WHERE dict = ? AND key = ? AND due > ?"
# Of twins in one update the last one counts, and of those that must be absent the first.
_WRITE = """
INSERT INTO dict_entries (dict, key, due, value) VALUES (?, ?, ?, ?)
ON CONFLICT (dict, key) DO UPDATE SET value = excluded.value, due = excluded.due
"""
_WRITE_ABSENT = """
INSERT INTO dict_entries (dict, key, due, value) VALUES (?, ?, ?, ?)
ON CONFLICT (dict, key) DO UPDATE SET value = excluded.value, due = excluded.due WHERE due <= ?
"""
_REMOVE_SOME = """
DELETE FROM dict_entries WHERE id IN (SELECT id FROM dict_entries WHERE due <= ? LIMIT ?)
"""


@dataclass(frozen=True, slots=True)
class DictLimits:
    """Bounds of Dicts; tests set small ones."""

    idle: float = 7 * DAY_S
    """An entry expires so long after its last read or write (modal-semantics 4.1 [doc])."""
    value_size: int = 100 << 20
    """Of one object, key and value together (4.1 [doc]; that the key counts is a guess)."""
    entries_at_once: int = 10_000
    """In one update (4.1 [doc])."""
    counted: int = 100_000
    """What `len` answers at most (4.1 [doc])."""
    scans_renew: bool = True
    """
    Whether `contains`, `keys`, `values` and `items` are reads, which keep the entries for another
    seven days [guess]. `get` is one. A put that skips an existing entry is none [guess].
    """
    slack: float = 3600.0
    """Ours: how much too early an entry that was read may expire after the server was killed."""

    def check(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Raise Invalid or TooLarge unless these may be written at once; the texts are ours."""
        if len(entries) > self.entries_at_once:
            raise Invalid(f"A Dict can be updated with {self.entries_at_once} entries at most")
        for key, value in entries:
            if len(key) + len(value) > self.value_size:
                # By these words the SDK knows that it must say RequestSizeError (SDK:dict.py).
                raise TooLarge(f"An object is larger than {self.value_size} B (status = '413')")


class Dicts:
    """The entries of all Dicts of one World."""

    def __init__(self, ledger: Ledger, clock: Clock, limits: DictLimits | None = None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._limits = limits or DictLimits()
        self._put_off: dict[tuple[str, bytes], float] = {}
        """Of entries that were read: when they expire, later than the ledger has it."""
        ledger.own(_TABLES)
        self._first = self._earliest()

    def get(self, dict_id: str, key: bytes) -> bytes | None:
        """Return the value, if there is one, and renew it."""
        now = self._sweep()
        found = self._ledger.run(_ALIVE, dict_id, key, now).fetchone()
        if found is None:
            return None
        self._renew(dict_id, key, float(found[0]), now)
        return bytes(found[1])

    def contains(self, dict_id: str, key: bytes) -> bool:
        """Return whether there is such an entry."""
        now = self._sweep()
        due = self._due(dict_id, key, now)
        if due is not None and self._limits.scans_renew:
            self._renew(dict_id, key, due, now)
        return due is not None

    def update(
        self, dict_id: str, entries: Sequence[tuple[bytes, bytes]], *, if_absent: bool
    ) -> bool:
        """Write all entries, or those that are not there yet; return whether any was written."""
        self._limits.check(entries)
        now = self._sweep()
        due = now + self._limits.idle
        if if_absent:
            entries = [pair for pair in entries if self._due(dict_id, pair[0], now) is None]
        if not entries:
            return not if_absent
        write, more = (_WRITE_ABSENT, (now,)) if if_absent else (_WRITE, ())
        # A statement alone is a transaction.
        with nullcontext() if len(entries) == 1 else self._ledger.transaction():
            for key, value in entries:
                self._ledger.run(write, dict_id, key, due, value, *more)
        for key, _ in entries:
            self._put_off.pop((dict_id, key), None)
        self._first = min(self._first, due)
        return True

    def pop(self, dict_id: str, key: bytes) -> bytes | None:
        """Take an entry away and return its value."""
        found = self._ledger.run(_ALIVE, dict_id, key, self._sweep()).fetchone()
        if found is None:
            return None
        self._ledger.run("DELETE FROM dict_entries WHERE dict = ? AND key = ?", dict_id, key)
        self._put_off.pop((dict_id, key), None)
        return bytes(found[1])

    def clear(self, dict_id: str) -> None:
        """Take all entries of a Dict away."""
        self._ledger.run("DELETE FROM dict_entries WHERE dict = ?", dict_id)
        for place in [place for place in self._put_off if place[0] == dict_id]:
            del self._put_off[place]

    def length(self, dict_id: str) -> int:
        """Return how many entries a Dict has, up to what is counted."""
        [count] = self._ledger.run(
            "SELECT COUNT(*) FROM (SELECT 1 FROM dict_entries WHERE dict = ? AND due > ? LIMIT ?)",
            dict_id,
            self._sweep(),
            self._limits.counted,
        ).fetchone()
        return int(count)

    def keys(self, dict_id: str) -> list[bytes]:
        """Return the keys of a Dict as they are now; this renews nothing."""
        rows = self._ledger.run(
            "SELECT key FROM dict_entries WHERE dict = ? AND due > ?", dict_id, self._sweep()
        )
        return [bytes(key) for (key,) in rows.fetchall()]

    def scan(self, dict_id: str, key: bytes) -> bytes | None:
        """Return a value on the way through all of them."""
        if self._limits.scans_renew:
            return self.get(dict_id, key)
        found = self._ledger.run(_ALIVE, dict_id, key, self._sweep()).fetchone()
        return None if found is None else bytes(found[1])

    def settle(self) -> None:
        """Write down what reads put off, before the ledger is closed."""
        now = self._clock.now()
        lasting = [(place, due) for place, due in self._put_off.items() if due > now]
        if lasting:
            with self._ledger.transaction():
                for (dict_id, key), due in lasting:
                    self._note(dict_id, key, due)
        self._put_off.clear()

    # ---------------------------------------------------------------- inside

    def _sweep(self) -> float:
        """Remove some of what has expired, and return the present instant."""
        now = self._clock.now()
        if now >= self._first:
            self.settle()
            some = self._ledger.run(_REMOVE_SOME, now, _REMOVED_AT_ONCE)
            if some.rowcount < _REMOVED_AT_ONCE:
                self._first = self._earliest()
        return now

    def _earliest(self) -> float:
        """Return an instant before which nothing expires."""
        [due] = self._ledger.run("SELECT MIN(due) FROM dict_entries").fetchone()
        return math.inf if due is None else float(due)

    def _due(self, dict_id: str, key: bytes, now: float) -> float | None:
        found = self._ledger.run(
            "SELECT due FROM dict_entries WHERE dict = ? AND key = ? AND due > ?", dict_id, key, now
        ).fetchone()
        return None if found is None else float(found[0])

    def _renew(self, dict_id: str, key: bytes, written: float, now: float) -> None:
        due = now + self._limits.idle
        if written <= due <= written + self._limits.slack:
            self._put_off[dict_id, key] = due
            return
        # Or the clock was set back: what is written must never be later than what holds.
        self._note(dict_id, key, due)
        self._put_off.pop((dict_id, key), None)
        self._first = min(self._first, due)

    def _note(self, dict_id: str, key: bytes, due: float) -> None:
        self._ledger.run(
            "UPDATE dict_entries SET due = ? WHERE dict = ? AND key = ?", due, dict_id, key
        )

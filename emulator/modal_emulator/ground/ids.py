"""
Where names for things come from.

Two kinds: `mint` gives a new id each time, `stable` gives the same id for the same words
as long as the salt lives. Stable ids let a fresh World stand behind handles that an SDK
process keeps from an earlier one. Both have the shape of Modal's: prefix, dash, 22 letters
and digits. With a seed they repeat: each prefix has a row of its own, so that what is made beside
the story changes no id within it. What must not be guessed never comes from a seed.
"""

import hashlib
import random
import string

__all__ = ["ALPHABET", "ID_LENGTH", "Ids"]

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ALPHABET = string.ascii_letters + string.digits
_SYSTEM = random.SystemRandom()
ID_LENGTH = 22  # JS decides V1 or V2 of a sandbox from this length (wire facts, point 8)


class Ids:
    """A source of ids; `seed=None` draws from the system's entropy."""

    def __init__(self, seed: int | str | None = None, salt: str = "") -> None:
        self._salt = salt
        self.sow(seed)

    @property
    def seed(self) -> int | str | None:
        """What ids follow from now; None is chance."""
        return self._seed

    def sow(self, seed: int | str | None) -> None:
        """Begin again from this seed."""
        self._seed = seed
        self._rows: dict[str, random.Random] = {}

    def mint(self, prefix: str) -> str:
        """Return a new id such as `fc-4hT…`."""
        return f"{prefix}-{_letters(self._row(prefix), ID_LENGTH)}"

    def ordered(self, prefix: str, instant: float) -> str:
        """Return a new id that sorts by `instant`, in the shape of a ULID such as `ta-01KPJ3…`."""
        number = (int(instant * 1000) << 80) | self._row(prefix).getrandbits(80)
        letters = [CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5)]
        return f"{prefix}-" + "".join(letters)

    def stable(self, prefix: str, *words: str) -> str:
        """Return the id that these words have under this salt."""
        text = "\0".join((self._salt, prefix, *words))
        number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        letters = []
        for _ in range(ID_LENGTH):
            number, index = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[index])
        return f"{prefix}-" + "".join(letters)

    def number(self, row: str, below: int) -> int:
        """Return a number from 0 up to, and without, `below`."""
        return self._row(row).randrange(below)

    def secret(self, length: int = 32) -> str:
        """Return letters and digits that nobody can guess."""
        return _letters(_SYSTEM, length)

    def _row(self, prefix: str) -> random.Random:
        if self._seed is None:
            return _SYSTEM
        row = self._rows.get(prefix)
        if row is None:
            row = self._rows[prefix] = random.Random(f"{self._seed}/{prefix}")
        return row


def _letters(chance: random.Random, count: int) -> str:
    # One draw for all letters: the system is asked once, and no letter is likelier by more than a
    # part in 2 to the 64.
    number = chance.getrandbits(6 * count + 64)
    letters = []
    for _ in range(count):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)

"""
Where names for things come from.

Two kinds: `mint` gives a new id each time, `stable` gives the same id for the same words
as long as the salt lives. Stable ids let a fresh World stand behind handles that an SDK
process keeps from an earlier one. Both have the shape of Modal's: prefix, dash, 22 letters
and digits. Chance is handed in, so a test can own it.
"""

import hashlib
import random
import string

__all__ = ["ALPHABET", "ID_LENGTH", "Ids"]

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 22  # JS decides V1 or V2 of a sandbox from this length (wire facts, point 8)


class Ids:
    """A source of ids; `seed=None` draws from the system's entropy."""

    def __init__(self, seed: int | None = None, salt: str = "") -> None:
        self._random = random.SystemRandom() if seed is None else random.Random(seed)
        self._salt = salt

    def mint(self, prefix: str) -> str:
        """Return a new id such as `fc-4hT…`."""
        return f"{prefix}-{self._letters(ID_LENGTH)}"

    def ordered(self, prefix: str, instant: float) -> str:
        """Return a new id that sorts by `instant`, in the shape of a ULID such as `ta-01KPJ3…`."""
        number = (int(instant * 1000) << 80) | self._random.getrandbits(80)
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

    def secret(self, length: int = 32) -> str:
        """Return letters and digits that nobody can guess (from the seed, if one was given)."""
        return self._letters(length)

    def _letters(self, count: int) -> str:
        # One draw for all letters: the system is asked once, and no letter is likelier by more
        # than a part in 2 to the 64.
        number = self._random.getrandbits(6 * count + 64)
        letters = []
        for _ in range(count):
            number, index = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[index])
        return "".join(letters)

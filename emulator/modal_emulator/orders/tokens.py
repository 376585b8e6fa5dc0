"""
A schedule as a short text that can be copied from a terminal and pasted into an address.

It holds the choices, a check of itself, and a check of the steps that they led to; so a text that
was cut off and one that no longer fits its program are told apart.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modal_emulator.orders.options import Option

__all__ = ["BadToken", "Token"]

_VERSION = "s1"


class BadToken(ValueError):
    """A text that is no token of a schedule, or one of another program."""


@dataclass(frozen=True, slots=True)
class Token:
    """One schedule."""

    choices: tuple[int, ...]
    check: int
    """Of the steps that the choices led to."""

    @classmethod
    def of(cls, choices: Sequence[int], steps: Iterable[Option]) -> "Token":
        """Return the token of a run."""
        return cls(tuple(choices), _check(steps))

    @classmethod
    def read(cls, text: str) -> "Token":
        """
        Return the token that this text is of.

        Raises:
            BadToken: it is none, or not whole.
        """
        text = text.strip()
        if not text.startswith("s"):
            raise BadToken(f"{text!r} is not the token of a schedule")
        if not text.startswith(_VERSION):
            raise BadToken(
                f"{text!r} is the token of a schedule in a format that this version does not know"
            )
        body = text[len(_VERSION) :]
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadToken(f"{text!r} is not a whole token of a schedule") from error
        if len(raw) < 8 or zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "big"):
            raise BadToken(f"{text!r} is not a whole token: its checksum is wrong")
        return cls(tuple(_unpacked(raw[8:])), int.from_bytes(raw[4:8], "big"))

    def verify(self, steps: Iterable[Option]) -> None:
        """
        Check that a replay took the steps of the run that the token is of.

        Raises:
            BadToken: it did not: the program is another one, or has changed.
        """
        if _check(steps) != self.check:
            raise BadToken(
                f"the token {self} is of another program, or of one that has changed since: "
                "its choices lead to other steps now"
            )

    def __str__(self) -> str:
        rest = self.check.to_bytes(4, "big") + _packed(self.choices)
        raw = zlib.crc32(rest).to_bytes(4, "big") + rest
        return _VERSION + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _check(steps: Iterable[Option]) -> int:
    return zlib.crc32("\n".join(map(str, steps)).encode())


def _packed(choices: Sequence[int]) -> bytes:
    # Most choices are 0, so a row of them is a 0 and its length.
    packed = bytearray()
    zeros = 0
    for choice in (*choices, -1):
        if choice == 0:
            zeros += 1
            continue
        if zeros:
            packed += b"\0" + _number(zeros)
            zeros = 0
        if choice > 0:
            packed += _number(choice)
    return bytes(packed)


def _number(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _unpacked(packed: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in packed:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    choices: list[int] = []
    rest = iter(numbers)
    for number in rest:
        choices.extend([0] * next(rest, 0) if number == 0 else [number])
    return choices

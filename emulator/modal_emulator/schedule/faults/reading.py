"""Reading what was written of a fault: each kind of value, as itself or as text."""

from collections.abc import Callable, Collection
from difflib import get_close_matches
from math import isfinite
from typing import Any

from modal_emulator.ground.errors import Invalid

__all__ = ["chance", "choice", "count", "nearest", "number", "seconds", "some", "text", "truth"]

Read = Callable[[str, Any], Any]


def nearest(wrong: str, right: Collection[str]) -> str:
    """Name what was most likely meant, or all there is."""
    folded = {_folded(each): each for each in right}
    if found := get_close_matches(_folded(wrong), folded, n=1, cutoff=0.5):
        return f"did you mean {folded[found[0]]!r}?"
    if len(right) > 40:
        return f"there are {len(right)}"
    return f"there is: {', '.join(right)}"


def text(name: str, value: Any) -> str:
    """Return text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Invalid(f"{name} is a text, not {value!r}")
    return value


def choice(known: Collection[str]) -> Read:
    """Return what reads one of these words, however it is cased and joined."""

    def read(name: str, value: Any) -> str:
        folded = {_folded(each): each for each in known}
        found = folded.get(_folded(text(name, value)))
        if found is None:
            raise Invalid(f"there is no {name} {value!r}; {nearest(value, known)}")
        return found

    return read


def count(name: str, value: Any) -> int:
    """Return a whole number from 0."""
    return _whole(name, value, 0)


def some(name: str, value: Any) -> int:
    """Return a whole number from 1."""
    return _whole(name, value, 1)


def seconds(name: str, value: Any) -> float:
    """Return a number from 0."""
    found = number(name, value)
    if found < 0:
        raise Invalid(f"{name} is a number from 0, not {value!r}")
    return found


def chance(name: str, value: Any) -> float:
    """Return a number above 0, at most 1."""
    found = number(name, value)
    if not 0 < found <= 1:
        raise Invalid(f"{name} is above 0 and at most 1, not {value!r}")
    return found


def truth(name: str, value: Any) -> bool:
    """Return whether something is so."""
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise Invalid(f"{name} is true or false, not {value!r}")
    return found


def _whole(name: str, value: Any, least: int) -> int:
    try:
        found = int(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if type(found) is not int or found < least:
        raise Invalid(f"{name} is a whole number from {least}, not {value!r}")
    return found


def number(name: str, value: Any) -> float:
    """Return any number that is finite."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if isinstance(value, bool) or not isfinite(found):
        raise Invalid(f"{name} is a number, not {value!r}")
    return found


def _folded(word: str) -> str:
    return word.lower().replace("_", " ").replace("-", " ")

"""
What can be set of the search for leaked secrets: whose values are looked for, and masked logs.

Every test run loads this room, so it imports nothing of the emulator.
"""

from collections.abc import Sequence
from typing import Any

import pytest

__all__ = ["add_leaks", "leaks_of_session", "names"]

IGNORE = "modal_leaks_ignore"
ALWAYS = "modal_leaks_always"
SHORTEST = "modal_leaks_min_length"
MASK = "modal_mask_logs"


def add_leaks(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """Declare what can be set for a whole session."""
    parser.addini(
        IGNORE,
        "keys of secrets whose values are no secret: KEY or secret.KEY, with * and ?",
        type="args",
        default=[],
    )
    parser.addini(
        ALWAYS,
        "keys of secrets whose values are looked for, however short or common",
        type="args",
        default=[],
    )
    parser.addini(SHORTEST, "characters of the shortest value that is looked for", default="")
    parser.addini(
        MASK,
        "whether logs show ***KEY*** in place of values of secrets",
        type="bool",
        default=False,
    )
    group.addoption(
        "--modal-mask-logs",
        action="store_true",
        help="show ***KEY*** in place of values of secrets in what functions print",
    )


def leaks_of_session(config: pytest.Config) -> dict[str, Any]:
    """Return the options of the session, as far as they are set."""
    options: dict[str, Any] = {}
    if ignored := config.getini(IGNORE):
        options["leaks_ignore"] = names(ignored)
    if always := config.getini(ALWAYS):
        options["leaks_always"] = names(always)
    if shortest := str(config.getini(SHORTEST)):
        if not shortest.isdecimal():
            raise pytest.UsageError(f"{SHORTEST} must be a number, not {shortest!r}")
        options["leaks_min_length"] = int(shortest)
    if config.getoption("--modal-mask-logs") or config.getini(MASK):
        options["mask_logs"] = True
    return options


def names(value: Any) -> tuple[str, ...]:
    """
    Return names that are given one by one, or with commas between them.

    Raises:
        TypeError: they are something else.
    """
    given: Sequence[Any] = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(each, str) for each in given):
        raise TypeError
    return tuple(name for each in given for name in each.replace(",", " ").split())

"""
The shape that all seeded bugs have: two apps that do the same, one of them wrong.

A program makes concurrent calls and asserts what comes of them; an invariant is asserted when the
app has ended. Options are those of `explore`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import modal

if TYPE_CHECKING:  # in a container of its own process there is no emulator
    from modal_emulator.emulator import Running

__all__ = ["Bug", "Program", "Twin", "at_once"]

Program = Callable[["Running"], None]


@dataclass(frozen=True)
class Twin:
    """One of the two apps, and what is done with it."""

    app: modal.App
    program: Program


@dataclass(frozen=True)
class Bug:
    """A bug and the same program without it."""

    broken: Twin
    fixed: Twin
    invariant: Program | None = None
    setup: Program | None = None
    runtime: str = "inline"
    options: Mapping[str, Any] = field(default_factory=dict)


def at_once(*calls: Any) -> list[Any]:
    """Return the results of calls that run at once; each is a function and its arguments."""
    spawned = [function.spawn(*arguments) for function, *arguments in calls]
    return [call.get() for call in spawned]

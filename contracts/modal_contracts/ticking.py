"""
What scheduled functions do: they leave a file for each run.

Sent by value, closed over where and what; only the standard library may be imported here.
"""

import uuid
from collections.abc import Callable
from pathlib import Path

__all__ = ["leaves_a_file", "runs"]


def leaves_a_file(directory: str, name: str) -> Callable[[], None]:
    """Return a function of no arguments that leaves a file named after it each time it runs."""

    def tick() -> None:
        Path(directory, f"{name}-{uuid.uuid4().hex}").touch()
        if name.startswith("failing"):
            raise ArithmeticError("this input fails on purpose")

    return tick


def runs(paths: list[str]) -> dict[str, int]:
    """Return how often each function ran that left these files."""
    names = [path.rpartition("-")[0] for path in paths]
    return {name: names.count(name) for name in sorted(set(names))}

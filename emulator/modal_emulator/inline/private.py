"""
The SDK's parts that are not public, by name: this wing's door to them, but for `pretence`.

What stands behind it has been there, with this meaning, from 1.0.0 to 1.6.4; where a name changed,
both are asked for.
"""

import importlib
from typing import Any

__all__ = ["client", "inward", "outward", "private"]


def private(module: str, *names: str) -> Any:
    """
    Return the first of these names that a module of the SDK has.

    Raises:
        AttributeError: it has none of them.
    """
    room = importlib.import_module(module)
    for name in names:
        if hasattr(room, name):
            return getattr(room, name)
    raise AttributeError(f"this modal has no {module}.{names[0]}")


def client() -> Any:
    """Return the client that the SDK keeps for this process, or None before its first use."""
    return private("modal.client", "_Client")._client_from_env


def inward(handle: Any) -> Any:
    """Return what a public handle of the SDK wraps."""
    return private("modal._utils.async_utils", "synchronizer")._translate_in(handle)


def outward(wrapped: Any) -> Any:
    """Return the public handle of one of the SDK's own objects."""
    return private("modal._utils.async_utils", "synchronizer")._translate_out(wrapped)

"""
One volume of one container: where the function wants it, and what the container sees there.

What a container may do with it, and in which order, is decided in `commits`.
"""

import asyncio
from dataclasses import dataclass, field

from modal_emulator.runtime.backend import Bound, View
from modal_emulator.store.checkout import Checkout

__all__ = ["MountPoint", "Mounted", "view_of"]


@dataclass(frozen=True, slots=True)
class MountPoint:
    """Where and how a function wants a volume."""

    volume_id: str
    path: str
    read_only: bool = False
    sub_path: str = ""


@dataclass(slots=True)
class Mounted:
    """A volume that a container shows."""

    point: MountPoint
    checkout: Checkout
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    stored: frozenset[int] = frozenset()
    """Files that were perhaps changed without a stamp since the last commit that succeeded."""
    saved: bool = False
    """The container's last commit, on its way out, has succeeded."""


def view_of(point: MountPoint, checkout: Checkout) -> View:
    """Return what a backend is to show."""
    left = checkout.names_left
    return View(
        layers=checkout.layers,
        changes=checkout.changes,
        scratch=checkout.scratch,
        read_only=point.read_only,
        sub_path=point.sub_path,
        version=checkout.version,
        bound=Bound(*left) if left is not None else None,
    )

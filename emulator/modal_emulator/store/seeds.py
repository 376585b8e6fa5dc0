"""
What every fresh World is to begin with: volumes from directories, and secrets.

A seeded volume is there from the start, and its files are copied when somebody first looks into
it, so a World in which nobody does pays for a name. It is `Volumes` that copies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["SecretSeed", "Seeds", "VolumeSeed"]


@dataclass(frozen=True, slots=True)
class VolumeSeed:
    """A volume that begins with what a directory holds at its first use."""

    name: str
    directory: Path
    version: int | None = None
    """Of its file system: 1 or 2; None is Modal's own choice."""


@dataclass(frozen=True, slots=True)
class SecretSeed:
    """A secret that is there from the start."""

    name: str
    values: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Seeds:
    """All that is there from the start, in the default environment."""

    volumes: tuple[VolumeSeed, ...] = ()
    secrets: tuple[SecretSeed, ...] = ()

"""
The seam between what an image is and how one is built.

A backend that offers `Capability.IMAGES` has an `ImageMaker`; the others run everything in the
local Python environment and build nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from modal_emulator.ground.errors import EmulatorError

__all__ = ["BuildFailed", "BuildTimedOut", "Built", "Heir", "ImageMaker", "Recipe", "Run"]


class BuildFailed(EmulatorError):
    """A step of a build did not succeed; the text says which and how."""

    definite = True


class BuildTimedOut(BuildFailed):
    """A step of a build took longer than it may."""


class Heir(Protocol):
    """Who gets the files of a container when that has ended."""

    def image_of(self, container_id: str) -> str:
        """Return the id of the image that they are to be; empty: none."""
        ...

    def inherited(self, container_id: str, why: str) -> None:
        """It is so, and of the container nothing is left; `why` says why it is not so."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One call of a function."""

    function_id: str
    payload: bytes = field(repr=False)
    """A serialised FunctionInput."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one image is made of."""

    image_id: str
    commands: tuple[str, ...]
    """Lines of a Dockerfile."""
    bases: Mapping[str, str]
    """The image's id for each name that the commands use for another image."""
    context: Path | None
    """The tree of files that the commands may copy from."""
    files: Mapping[str, bytes] = field(repr=False)
    """More such files, by path."""
    arguments: Mapping[str, str] = field(repr=False)
    """Values for ARG lines."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables that the commands see, and nobody who has the image."""
    run: Run | None = None
    """What makes it, instead of commands: a function, in the image that the function has."""
    refusals: tuple[str, ...] = ()
    """What is asked for that nobody builds here, each in words for the user."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a client wants to know of an image that is there."""

    python: str
    """As `python --version` says it, or empty."""
    libc: str
    working_directory: str


class ImageMaker(Protocol):
    """Builds images."""

    async def find(self, image_id: str) -> Built | None:
        """Return the image if it was built before."""
        ...

    async def build(self, recipe: Recipe, on_log: Callable[[str], None], *, anew: bool) -> Built:
        """
        Build an image; `on_log` is called on the event loop with what the build prints.

        Raises:
            NotBuilt: it asks for something that is not done here.
            BuildFailed: a step failed.
        """
        ...

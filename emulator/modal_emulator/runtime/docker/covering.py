"""
What a container's own files looked like before the server showed it others in their place.

Where its files are to be an image, they must be again as they were: neither the local code that was
laid over them is to be in it, nor links to volumes, and what these covered is not to be missing.
It runs in the container, as its root.
"""

import os
import shutil
import tarfile
import tempfile
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

__all__ = ["Covered"]


class Covered:
    """What was covered so far, in order."""

    def __init__(self) -> None:
        self._aside = Path(tempfile.mkdtemp(prefix=".modal-emulator-", dir="/"))
        self._covered: dict[str, Path | None] = {}
        """By path, an archive of what was there."""
        self._made: list[str] = []

    def cover(self, path: str) -> None:
        """Remember what is there: something is about to be put in its place."""
        if path in self._covered:
            return
        self.make(os.path.dirname(path))  # noqa: PTH120
        archive = None
        if os.path.lexists(path):
            archive = self._aside / str(len(self._covered))
            with tarfile.open(archive, "w") as written:
                written.add(path, "it")
        self._covered[path] = archive

    def make(self, directory: str) -> None:
        """Make a directory and those above it, unless they are there."""
        if not os.path.isdir(directory):  # noqa: PTH112
            self.make(os.path.dirname(directory))  # noqa: PTH120
            os.mkdir(directory)  # noqa: PTH102
            self._made.append(directory)

    def uncover(self) -> None:
        """Take away what was put there, and bring back what was there; what was added stays."""
        for path, archive in reversed(self._covered.items()):
            _remove(path)
            _remove_compiled(path)
            if archive is not None:
                _bring_back(archive, path)
        for directory in reversed(self._made):
            with suppress(OSError):  # user code has put something there
                os.rmdir(directory)  # noqa: PTH106
        shutil.rmtree(self._aside)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108


def _remove_compiled(path: str) -> None:
    """Remove what Python has kept of a module beside it."""
    if path.endswith(".py"):
        compiled = Path(cache_from_source(path))
        with suppress(OSError):
            compiled.unlink()
            compiled.parent.rmdir()  # that is refused where other modules are


def _bring_back(archive: Path, path: str) -> None:
    """Make one thing of all that is below a name in an archive of our own."""
    with tarfile.open(archive) as written:
        # Devices, owners and links to anywhere included: it was there before.
        written.extraction_filter = lambda member, _: member
        for member in written.getmembers():
            for name in ("name", "linkname"):
                value = getattr(member, name)
                if name == "name" or member.islnk():
                    setattr(member, name, f"{path}{value[2:]}".lstrip("/"))
        written.extractall("/", numeric_owner=True)  # noqa: S202

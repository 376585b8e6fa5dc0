"""
What a container's own files looked like before the server showed it others in their place.

Where its files are to be an image, they must be again as they were: neither the local code that was
laid over them is to be in it, nor links to volumes, and what these covered is not to be missing.
It runs in the container, as its root.
"""

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
        self._covered: dict[Path, Path | None] = {}
        """By path, an archive of what was there."""
        self._made: list[Path] = []

    def cover(self, path: Path) -> None:
        """Remember what is there: something is about to be put in its place."""
        if path in self._covered:
            return
        self.make(path.parent)
        archive = None
        if path.is_symlink() or path.exists():
            archive = self._aside / str(len(self._covered))
            with tarfile.open(archive, "w") as written:
                written.add(path, "it")
        self._covered[path] = archive

    def make(self, directory: Path) -> None:
        """Make a directory and those above it, unless they are there."""
        if not directory.is_dir():
            self.make(directory.parent)
            directory.mkdir()
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
                directory.rmdir()
        shutil.rmtree(self._aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_compiled(path: Path) -> None:
    """Remove what Python has kept of a module beside it."""
    if path.suffix == ".py":
        compiled = Path(cache_from_source(path))
        with suppress(OSError):
            compiled.unlink()
            compiled.parent.rmdir()  # that is refused where other modules are


def _bring_back(archive: Path, path: Path) -> None:
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

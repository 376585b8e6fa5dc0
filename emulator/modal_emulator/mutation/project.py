"""
The user's project: which files it has, and copies of them to run in.

Nothing is ever written to the project itself.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

__all__ = ["Project"]

_LEFT_OUT = {
    ".git",
    ".hg",
    ".hypothesis",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "node_modules",
    "site-packages",
    "venv",
}


class Project:
    """A directory with sources and tests."""

    def __init__(self, root: Path, also: Sequence[Path] = ()) -> None:
        """
        Look at a project.

        Args:
            root: its directory.
            also: files or directories in it that are copied though git ignores them.
        """
        self.root = root.resolve()
        files = set(self._listed())
        for extra in also:
            path = (self.root / extra).resolve()
            files |= {PurePosixPath(each.relative_to(self.root)) for each in _under(path)}
        self.files = tuple(sorted(files))

    def copy(self, to: Path) -> None:
        """Copy all of it to a directory that is not there yet."""
        to.mkdir(parents=True)
        for path in self.files:
            source, target = self.root / path, to / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)

    def environment(self, copy: Path, search: Sequence[str]) -> dict[str, str]:
        """Return variables that have Python look into the copy where it looked into the project."""
        paths = [copy]
        for entry in search:
            path = Path(entry).resolve()
            if entry and path.is_relative_to(self.root) and not _LEFT_OUT & set(path.parts):
                paths.append(copy / path.relative_to(self.root))
        if (copy / "src").is_dir():
            paths.append(copy / "src")
        known = [*map(str, dict.fromkeys(paths)), *_outside(os.environ, self.root)]
        return {"PYTHONPATH": os.pathsep.join(known)}

    def _listed(self) -> Iterator[PurePosixPath]:
        git = (
            subprocess.run(
                ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                cwd=self.root,
                capture_output=True,
                check=False,
            )
            if shutil.which("git")
            else None
        )
        if git is not None and git.returncode == 0 and git.stdout:
            paths = [self.root / os.fsdecode(name) for name in git.stdout.split(b"\0") if name]
        else:
            paths = list(_under(self.root))
        for path in paths:
            if path.is_symlink() or path.is_file():
                yield PurePosixPath(path.relative_to(self.root))


def _outside(variables: Mapping[str, str], root: Path) -> Iterator[str]:
    for entry in variables.get("PYTHONPATH", "").split(os.pathsep):
        if entry and not Path(entry).resolve().is_relative_to(root):
            yield str(Path(entry).resolve())


def _under(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for directory, names, files in os.walk(path):
        names[:] = [
            name
            for name in names
            if name not in _LEFT_OUT and not (Path(directory) / name / "pyvenv.cfg").exists()
        ]
        links = [name for name in names if (Path(directory) / name).is_symlink()]
        yield from (Path(directory) / name for name in [*files, *links])

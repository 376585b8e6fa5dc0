"""
What the containers of the machine do: one step on a directory, and a look at all that is in it.

Only the standard library and `modal` may be imported here, as in `bodies`.
"""

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import modal

__all__ = ["look", "take"]

Seen = dict[str, list[object]]


def take(root: str, name: str, arguments: Sequence[Any], volume: modal.Volume) -> tuple[str, Seen]:
    """Take a step; return the system's refusal, if it refused, and what is there afterwards."""
    refusal = ""
    try:
        STEPS[name](root, volume, *arguments)
    except OSError as error:
        refusal = repr(error)
    return refusal, look(root)


def look(root: str) -> Seen:
    """Return what is at each path: kind, text or target, and the mode of files."""
    seen: Seen = {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = Path(directory, name)
            seen[str(path.relative_to(root))] = _describe(path)
    return seen


def _describe(path: Path) -> list[object]:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        return ["file", path.read_text("utf-8"), stat.S_IMODE(status.st_mode)]
    if stat.S_ISLNK(status.st_mode):
        return ["link", str(path.readlink())]
    return ["dir" if stat.S_ISDIR(status.st_mode) else oct(status.st_mode), ""]


def _write(root: str, volume: modal.Volume, path: str, text: str) -> None:
    _put(f"{root}/{path}", text, os.O_TRUNC)


def _append(root: str, volume: modal.Volume, path: str, text: str) -> None:
    _put(f"{root}/{path}", text, os.O_APPEND)


def _put(path: str, text: str, how: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o644)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _truncate(root: str, volume: modal.Volume, path: str, size: int) -> None:
    if Path(root, path).stat().st_size == size:
        raise FileExistsError(path)
    os.truncate(f"{root}/{path}", size)


def _rename(root: str, volume: modal.Volume, old: str, new: str) -> None:
    Path(root, old).rename(Path(root, new))


def _remove(root: str, volume: modal.Volume, path: str) -> None:
    Path(root, path).unlink()


def _remove_tree(root: str, volume: modal.Volume, path: str) -> None:
    top = Path(root, path)
    if not stat.S_ISDIR(top.lstat().st_mode):
        raise NotADirectoryError(path)
    # In the order of the model: what is in a directory before itself, the last name first.
    for below in sorted((path, *(f"{path}/{name}" for name in look(str(top)))), reverse=True):
        found = Path(root, below)
        if stat.S_ISDIR(found.lstat().st_mode):
            found.rmdir()
        else:
            found.unlink()


def _make_directory(root: str, volume: modal.Volume, path: str) -> None:
    Path(root, path).mkdir()


def _symlink(root: str, volume: modal.Volume, path: str, target: str) -> None:
    Path(root, path).symlink_to(target)


def _chmod(root: str, volume: modal.Volume, path: str, mode: int) -> None:
    if not stat.S_ISREG(Path(root, path).stat().st_mode):
        raise IsADirectoryError(path)
    Path(root, path).chmod(mode)


def _commit(root: str, volume: modal.Volume) -> None:
    volume.commit()


def _reload(root: str, volume: modal.Volume) -> None:
    volume.reload()


def _look(root: str, volume: modal.Volume) -> None:
    pass


STEPS: dict[str, Callable[..., None]] = {
    "write": _write,
    "append": _append,
    "truncate": _truncate,
    "rename": _rename,
    "remove": _remove,
    "remove_tree": _remove_tree,
    "make_directory": _make_directory,
    "symlink": _symlink,
    "chmod": _chmod,
    "commit": _commit,
    "reload": _reload,
    "look": _look,
}

"""
One step on the files of a volume, as the operating system or the API takes it, on plain values.

A step in a container is a row of states, because a commit in the background may fall between any
two of them; a step by the API happens whole. What cannot be done raises `Refused`; with which
error is not the subject here. Links lead nowhere in this model, so no path goes through one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DIRECTORY", "Files", "Node", "Refused", "Step", "drop", "place"]


@dataclass(frozen=True, slots=True)
class Node:
    """A directory, a link or a file; of directories only that they are there is followed."""

    kind: str
    text: str = ""
    """What a file holds, or where a link leads."""
    mode: int = 0
    stamp: float = 0
    """When it was written: what was written counts as changed, also where it is the same."""


DIRECTORY = Node("dir")
NEW_FILE = 0o644  # what the SDK sends for file objects (sdk: modal/volume.py), and the usual mask
Files = Mapping[str, Node]


class Refused(Exception):
    """The step cannot be taken, and changes nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, with what, and as the how-manieth thing."""

    name: str
    arguments: tuple[Any, ...]
    stamp: int

    def in_container(self, files: Files) -> Iterator[Files]:
        """Return what a container sees at each moment of the step, the end being the last."""
        return IN_CONTAINER[self.name](files, self.stamp, *self.arguments)

    def by_api(self, files: Files) -> Files:
        """Return the newest files after the step."""
        return BY_API[self.name](files, self.stamp, *self.arguments)

    def __str__(self) -> str:
        return f"{self.name}{self.arguments}"


# -------------------------------------------------------------------- paths


def place(files: dict[str, Node], path: str, node: Node) -> None:
    """Put a node at a path, in directories, in place of all that is there and is none itself."""
    for above in _above(path):
        if files.get(above) != DIRECTORY:
            drop(files, above)
            files[above] = DIRECTORY
    if node != DIRECTORY or files.get(path) != DIRECTORY:
        drop(files, path)
        files[path] = node


def drop(files: dict[str, Node], path: str) -> None:
    """Take away a path and all below it."""
    for below in _below(files, path):
        del files[below]


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _below(files: Files, path: str) -> list[str]:
    return [each for each in files if each == path or each.startswith(path + "/")]


def _with(files: Files, path: str, node: Node) -> Files:
    return {**files, path: node}


def _without(files: Files, path: str) -> Files:
    rest = dict(files)
    drop(rest, path)
    return rest


def _refuse_if(wrong: bool) -> None:
    if wrong:
        raise Refused


def _room(files: Files, path: str) -> Node | None:
    """Return what is at a path whose directory is there."""
    _refuse_if(any(files.get(above) != DIRECTORY for above in _above(path)))
    return files.get(path)


def _existing(files: Files, path: str) -> Node:
    node = _room(files, path)
    if node is None:
        raise Refused
    return node


def _file(files: Files, path: str) -> Node:
    node = _existing(files, path)
    _refuse_if(node.kind != "file")
    return node


# -------------------------------------------------------------------- in a container


def _write(files: Files, stamp: int, path: str, text: str) -> Iterator[Files]:
    node = _room(files, path)
    _refuse_if(node is not None and node.kind != "file")
    mode = node.mode if node else NEW_FILE
    yield _with(files, path, Node("file", "", mode, stamp))
    yield _with(files, path, Node("file", text, mode, stamp + 0.5))


def _append(files: Files, stamp: int, path: str, text: str) -> Iterator[Files]:
    node = _room(files, path)
    _refuse_if(node is not None and node.kind != "file")
    if node is None:
        node = Node("file", "", NEW_FILE, stamp)
        yield _with(files, path, node)
    yield _with(files, path, Node("file", node.text + text, node.mode, stamp + 0.5))


def _truncate(files: Files, stamp: int, path: str, size: int) -> Iterator[Files]:
    node = _file(files, path)
    _refuse_if(len(node.text) == size)  # whether that counts as a change is up to the kernel
    yield _with(files, path, Node("file", node.text.ljust(size, "\0")[:size], node.mode, stamp))


def _rename(files: Files, stamp: int, old: str, new: str) -> Iterator[Files]:
    node, there = _existing(files, old), _room(files, new)
    if old != new:
        _refuse_if(f"{new}/".startswith(f"{old}/") or f"{old}/".startswith(f"{new}/"))
        if there is not None:
            _refuse_if((node == DIRECTORY) != (there == DIRECTORY) or len(_below(files, new)) > 1)
        moved = {new + path[len(old) :]: files[path] for path in _below(files, old)}
        files = {**_without(_without(files, old), new), **moved}
    yield files


def _remove(files: Files, stamp: int, path: str) -> Iterator[Files]:
    _refuse_if(_existing(files, path) == DIRECTORY)
    yield _without(files, path)


def _remove_tree(files: Files, stamp: int, path: str) -> Iterator[Files]:
    _refuse_if(_existing(files, path) != DIRECTORY)
    for below in sorted(_below(files, path), reverse=True):
        files = _without(files, below)
        yield files


def _make_directory(files: Files, stamp: int, path: str) -> Iterator[Files]:
    _refuse_if(_room(files, path) is not None)
    yield _with(files, path, DIRECTORY)


def _symlink(files: Files, stamp: int, path: str, target: str) -> Iterator[Files]:
    _refuse_if(_room(files, path) is not None)
    yield _with(files, path, Node("link", target, stamp=stamp))


def _chmod(files: Files, stamp: int, path: str, mode: int) -> Iterator[Files]:
    node = _file(files, path)
    # The same mode again is no change: nothing of the file is another then.
    yield files if node.mode == mode else _with(files, path, Node("file", node.text, mode, stamp))


IN_CONTAINER: dict[str, Callable[..., Iterator[Files]]] = {
    "write": _write,
    "append": _append,
    "truncate": _truncate,
    "rename": _rename,
    "remove": _remove,
    "remove_tree": _remove_tree,
    "make_directory": _make_directory,
    "symlink": _symlink,
    "chmod": _chmod,
}


# -------------------------------------------------------------------- by the API


def _upload(files: Files, stamp: int, path: str, text: str, force: bool) -> Files:
    there = files.get(path)
    # An upload never replaces a directory (sdk: modal/volume.py, batch_upload).
    _refuse_if(there == DIRECTORY or (there is not None and not force))
    _refuse_if(any(files.get(above, DIRECTORY) != DIRECTORY for above in _above(path)))
    changed = dict(files)
    place(changed, path, Node("file", text, NEW_FILE, stamp))
    return changed


def _remove_file(files: Files, stamp: int, path: str, recursive: bool) -> Files:
    # That a directory asks for `recursive` is a guess: the API's answer is not known.
    _refuse_if(_existing(files, path) == DIRECTORY and not recursive)
    return _without(files, path)


def _copy(files: Files, stamp: int, source: str, into: str, recursive: bool) -> Files:
    """As the UNIX command `cp` (sdk: modal/volume.py); where a link is the goal, a guess."""
    node, there = _existing(files, source), files.get(into)
    _refuse_if((node == DIRECTORY or node.kind == "link") and not recursive)
    inside = there == DIRECTORY
    target = f"{into}/{source.rpartition('/')[2]}" if inside else into
    _refuse_if(f"{target}/".startswith(f"{source}/"))
    _room(files, target)
    goals = {target + path[len(source) :]: files[path] for path in _below(files, source)}
    for goal, copied in goals.items():
        found = files.get(goal, copied)
        _refuse_if((found == DIRECTORY) != (copied == DIRECTORY))
    changed = dict(files)
    for goal in sorted(goals):
        copied = goals[goal]
        place(
            changed,
            goal,
            copied if copied == DIRECTORY else Node(copied.kind, copied.text, copied.mode, stamp),
        )
    return changed


BY_API: dict[str, Callable[..., Files]] = {
    "upload": _upload,
    "remove_file": _remove_file,
    "copy_files": _copy,
}

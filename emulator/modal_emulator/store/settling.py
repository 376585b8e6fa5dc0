"""
What of a container's changes still counts when others committed before it.

A container's changes say how its own view differs from what it started from. On the newest
version some of them say nothing (what is gone already need not be removed), and some would say
too much: a directory that was merely touched must not bring back what another removed. Both as
values, and for the layer directory that holds the bytes. It knows no version and no container.
"""

from collections.abc import Iterable
from pathlib import Path

from modal_emulator.store.copying import stamp
from modal_emulator.store.layer import Change
from modal_emulator.store.paths import Parts
from modal_emulator.store.tree import Tree

__all__ = ["prune", "settle", "stamp_all"]


def settle(changes: Iterable[Change], seen: Tree, head: Tree) -> tuple[Change, ...]:
    """
    Return the changes that lead from `head` to what the last writer wants.

    `seen` is the tree that the writer's changes were made on, `head` the newest one. What others
    put into a directory that the writer removed goes with it: the removal is the later word. How
    Modal settles directories is not known [guess] (modal-semantics 1.2).
    """
    wanted: dict[Parts, Change] = {}
    needed: set[Parts] = set()
    # From the leaves up, so that each directory knows whether something in it needs it.
    for change in sorted(changes, key=lambda c: c.parts, reverse=True):
        parts, entry = change.parts, change.entry
        if entry is None:
            keep = head.get(parts) is not None
        else:
            touched = entry.is_directory and _is_directory(seen, parts)
            keep = not touched or _is_directory(head, parts) or parts in needed
        if keep:
            wanted[parts] = change
        if keep and entry is not None:
            needed.update(parts[:depth] for depth in range(1, len(parts)))
    for parts in needed - wanted.keys():
        # The writer had this directory and left it as it was, but by now it is gone.
        entry = seen.get(parts)
        if not _is_directory(head, parts) and entry is not None:
            wanted[parts] = Change(parts, entry)
    return tuple(wanted[parts] for parts in sorted(wanted))


def prune(
    layer: Path,
    directories: Iterable[Parts],
    given: Iterable[Change],
    kept: Iterable[Change],
    tree: Tree,
) -> None:
    """
    Make a layer directory that holds the changes `given` hold those `kept` and nothing else.

    `directories` are those in the layer; the ones that stay get mode and time from `tree`, which
    is what the layer shows on top of its version.
    """
    staying = {change.parts for change in kept}
    for change in given:
        if change.entry is None and change.parts not in staying:
            layer.joinpath(*change.parts).unlink()
    for parts in sorted(directories, reverse=True):  # what is in a directory before itself
        path = layer.joinpath(*parts)
        if parts and parts not in staying and not any(path.iterdir()):
            path.rmdir()
    stamp_all(layer, directories, tree)


def stamp_all(layer: Path, directories: Iterable[Parts], tree: Tree) -> None:
    """Give directories of a layer the mode and time that they have in a tree, if still there."""
    for parts in directories:
        path, entry = layer.joinpath(*parts), tree.get(parts)
        if entry is not None and path.exists():
            stamp(path, entry)


def _is_directory(tree: Tree, parts: Parts) -> bool:
    entry = tree.get(parts)
    return entry is not None and entry.is_directory

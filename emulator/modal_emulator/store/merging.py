"""
Keeping a stack of layers short.

A version's files may lie in many layers, but the kernel wants few. Adjacent layers are merged into
a new one that shows the same, its files by hard links, so that no bytes are copied. It knows
layers on disk and nothing of versions.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from modal_emulator.ground.errors import DataLoss
from modal_emulator.store.copying import place, stamp
from modal_emulator.store.layer import describe, find, is_removal, make_removal, names_below
from modal_emulator.store.paths import Parts
from modal_emulator.store.tree import Entry

__all__ = ["how_many", "merge"]


def how_many(sizes: Sequence[int]) -> int:
    """
    Return how many of the newest layers to merge into one, given their sizes, newest first.

    Layers are taken in as long as they are not more than twice what is there already. Each file is
    then linked again only when its layer has grown by half, so all merges together cost a
    logarithm of the commits per file; and as sizes grow by doubling, few layers are left.
    """
    count, total = 1, max(sizes[0], 1)
    while count < len(sizes) and sizes[count] <= 2 * total:
        total += sizes[count]
        count += 1
    return max(count, 2)


def merge(layers: Sequence[Path], below: Sequence[Path], target: Path) -> int:
    """
    Make in `target` the layer that shows over `below` what these layers do; returns its size.

    All stacks are given newest first. `target` is a new empty directory.
    """
    return _merge(tuple(layers), (), False, tuple(below), target)


def _merge(
    layers: tuple[Path, ...], parts: Parts, cut: bool, below: Sequence[Path], target: Path
) -> int:
    """
    Merge one directory, which is there in each of `layers`; returns how many names were made.

    `cut` tells that one of the merged layers hid what `below` has in this directory.
    """
    size = 0
    room = target.joinpath(*parts)
    names = {name for layer in layers for name in os.listdir(layer.joinpath(*parts))}  # noqa: PTH208
    for name in sorted(names):
        path = (*parts, name)
        tops, hides = _tops(layers, path)
        if not tops and find(below, path) is None:
            continue
        size += 1
        if not tops:
            make_removal(room / name)
            continue
        top = tops[0].joinpath(*path)
        entry = _kept(top)
        if entry.is_directory:
            (room / name).mkdir()
            size += _merge(tops, path, cut or hides, below, target)
        else:
            place(top, room / name, entry)
    if cut:
        for name in sorted(names_below(below, parts) - names):
            size += 1
            make_removal(room / name)
    stamp(room, _kept(layers[0].joinpath(*parts)))
    return size


def _kept(path: Path) -> Entry:
    entry = describe(path)
    if entry is None:
        raise DataLoss(f"{path} does not belong into a layer")
    return entry


def _tops(layers: tuple[Path, ...], parts: Parts) -> tuple[tuple[Path, ...], bool]:
    """
    Return the layers that a path is made of, and whether one of them hides what is below.

    That is the topmost file, or all directories down to the first thing that is none.
    """
    tops: list[Path] = []
    for layer in layers:
        try:
            status = layer.joinpath(*parts).lstat()
        except FileNotFoundError:
            continue
        if is_removal(status):
            return tuple(tops), True
        if not stat.S_ISDIR(status.st_mode):
            return (tuple(tops), True) if tops else ((layer,), True)
        tops.append(layer)
    return tuple(tops), False

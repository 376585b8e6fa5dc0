"""
Directories stacked by the kernel's overlay file system.

Knows the options that make a stack behave as one ordinary file system, which of them an
ordinary user may ask for, and how to name any number of layers in the four kilobytes that
mount(2) takes. It knows no volume and no container.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modal_emulator.runtime import kernel
from modal_emulator.runtime.leftovers import discard

__all__ = ["Privilege", "Stack", "clear_scratch", "show_merged", "stack_up"]


@dataclass(frozen=True, slots=True)
class Privilege:
    """What the mounting process may ask of the kernel: everything, or an ordinary user's part."""

    root: bool

    @property
    def options(self) -> tuple[str, ...]:
        """
        Option strings to try in turn, the best first.

        `metacopy=off`: a changed mode must copy the file up, else `changes` lacks its bytes.
        `redirect_dir=on`: renaming a directory of a lower layer works; users may not have it
        (the kernel refuses it with `userxattr`) and see EXDEV, which `mv` and shutil.move know.
        `volatile`: fsync inside is free; what must survive is synced where it is stored.
        """
        if self.root:
            fixed = "index=off,metacopy=off"
            return (f"{fixed},redirect_dir=on,volatile", f"{fixed},redirect_dir=on", fixed, "")
        return ("userxattr,index=off,metacopy=off,volatile", "userxattr")


@dataclass(frozen=True, slots=True)
class Stack:
    """Read-only directories with the newest first, and where changes over them go."""

    lowers: tuple[Path | str, ...]
    changes: Path | str
    scratch: Path | str


def stack_up(stack: Stack, target: Path, privilege: Privilege, links: Path) -> None:
    """
    Mount `stack` at `target`; a directory beside `links` may be made and stays.

    Numbers stand for the directories, so that neither their count nor commas and colons in their
    names matter. Afterwards the working directory is `/`.

    Raises:
        OSError: the kernel refuses.
    """
    clear_scratch(stack.scratch)
    lowers = stack.lowers or (_nothing(links),)
    with _opened((*lowers, stack.changes, stack.scratch)) as names:
        where = f"lowerdir={':'.join(names[:-2])},upperdir={names[-2]},workdir={names[-1]}"
        _try(target, where, privilege.options)


def show_merged(lowers: Sequence[Path], target: Path, privilege: Privilege, links: Path) -> None:
    """Mount directories merged at `target`, the first on top, for reading only."""
    # The kernel wants two of them where there is no directory for changes.
    with _opened((*lowers, _nothing(links))) as names:
        _try(target, f"lowerdir={':'.join(names)}", ("", privilege.options[-1]))


@contextmanager
def _opened(directories: Iterable[Path | str]) -> Iterator[list[str]]:
    """
    Give directories short names for the length of the block, which begins in the place of these.

    The names are those of open files: that takes nothing from a disk, which may be full.
    """
    files: list[int] = []
    try:
        for directory in directories:
            files.append(os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        os.chdir("/proc/self/fd")
        yield [str(file) for file in files]
    finally:
        os.chdir("/")
        for file in files:
            os.close(file)


def _try(target: Path, where: str, choices: Sequence[str]) -> None:
    for choice in choices:
        try:
            kernel.mount("overlay", target, "overlay", 0, f"{where},{choice}".rstrip(","))
        except OSError as error:
            # An option this kernel does not know; the last choice decides.
            if error.errno != errno.EINVAL or choice == choices[-1]:
                raise
        else:
            return


def _nothing(links: Path) -> Path:
    """Return an empty directory that stays: listing a stack fails when a layer of it is gone."""
    path = links.with_name("nothing")
    path.mkdir(exist_ok=True)
    return path


def clear_scratch(scratch: Path | str) -> None:
    """
    Remove what the kernel leaves in a stack's scratch directory.

    It has no permissions, so others may fail to; and a `volatile` stack forbids the next one.
    """
    discard(Path(scratch) / "work")

"""
Plays the kernel: does to an upper directory what overlayfs does when a container writes.

Only what leaves traces there: copying up, removals, opaque and redirected directories. It uses the
`user.overlay` attributes, as overlays of unprivileged users do, so the tests need no rights. With
a real kernel the same is checked in `test_kernel.py`.
"""

import os
import shutil
import stat
from pathlib import Path

from modal_emulator.store.checkout import Checkout
from modal_emulator.store.layer import describe, find, is_removal, make_removal, names_below

Parts = tuple[str, ...]


class Overlay:
    """One container's mount of a checkout."""

    def __init__(self, checkout: Checkout) -> None:
        self.layers = checkout.layers
        self.upper = checkout.changes

    # ---------------------------------------------------------------- reading

    def origin(self, parts: Parts) -> Parts | None:
        """Return which path of the layers below shows through a directory."""
        origin: Parts | None = ()
        for depth, name in enumerate(parts, 1):
            path = self.upper.joinpath(*parts[:depth])
            opaque, redirect = attribute(path, "opaque"), attribute(path, "redirect")
            if opaque:
                origin = None
            elif redirect and redirect.startswith("/"):
                origin = tuple(redirect[1:].split("/"))
            elif origin is not None:
                origin = (*origin, redirect or name)
        return origin

    def below(self, parts: Parts) -> Path | None:
        """Return what the layers below have for a path, the upper directory left aside."""
        if not parts:
            return self.layers[0] if self.layers else None
        origin = self.origin(parts[:-1])
        return None if origin is None else find(self.layers, (*origin, parts[-1]))

    def find(self, parts: Parts) -> Path | None:
        """Return where what the container sees lies."""
        path = self.upper.joinpath(*parts)
        if os.path.lexists(path):
            return None if is_removal(path.lstat()) else path
        above = self.upper.joinpath(*parts[:-1])
        if parts and not above.is_dir():
            seen = self.find(parts[:-1])
            if seen is None or not is_directory(seen):
                return None
        return self.below(parts)

    def names(self, parts: Parts) -> set[str]:
        upper = self.upper.joinpath(*parts)
        names = {path.name for path in upper.iterdir()} if upper.is_dir() else set()
        origin = self.origin(parts)
        if origin is not None:
            names |= names_below(self.layers, origin)
        return {name for name in names if self.find((*parts, name)) is not None}

    def view(self) -> dict[Parts, bytes | str | None]:
        """Return all that the container sees: bytes of files, targets of links, None else."""
        seen: dict[Parts, bytes | str | None] = {}
        pending = [(name,) for name in self.names(())]
        while pending:
            parts = pending.pop()
            path = self.find(parts)
            assert path is not None
            seen[parts] = meaning(path)
            if is_directory(path):
                pending.extend((*parts, name) for name in self.names(parts))
        return seen

    # ---------------------------------------------------------------- writing

    def copy_up(self, parts: Parts) -> Path:
        """Bring a path into the upper directory, as opening it for writing does."""
        path = self.upper.joinpath(*parts)
        if os.path.lexists(path):
            return path
        below = self.find(parts)
        assert below is not None
        if parts:
            above = self.copy_up(parts[:-1])
            times = above.stat()
            if is_directory(below):
                path.mkdir()
                shutil.copystat(below, path)
            else:
                shutil.copy2(below, path, follow_symlinks=False)
            os.utime(above, ns=(times.st_atime_ns, times.st_mtime_ns))
        return path

    def place(self, parts: Parts) -> Path:
        """Make room for a new name; its directory is copied up, a removal goes."""
        path = self.copy_up(parts[:-1]) / parts[-1]
        if os.path.lexists(path) and is_removal(path.lstat()):
            path.unlink()
        return path

    def write(self, path: str, data: bytes | str = b"") -> None:
        parts = tuple(path.split("/"))
        for depth in range(1, len(parts)):
            if self.find(parts[:depth]) is None:
                self.mkdir("/".join(parts[:depth]))
        there = self.find(parts) is not None
        target = self.copy_up(parts) if there else self.place(parts)
        target.write_bytes(data.encode() if isinstance(data, str) else data)

    def mkdir(self, path: str) -> None:
        parts = tuple(path.split("/"))
        target = self.place(parts)
        target.mkdir()
        if self.below(parts) is not None:
            set_attribute(target, "opaque", "y")

    def symlink(self, target: str, path: str) -> None:
        self.place(tuple(path.split("/"))).symlink_to(target)

    def remove(self, path: str) -> None:
        parts = tuple(path.split("/"))
        self.copy_up(parts[:-1])
        upper = self.upper.joinpath(*parts)
        if os.path.lexists(upper):
            shutil.rmtree(upper) if is_directory(upper) else upper.unlink()
        if self.below(parts) is not None:
            make_removal(upper)

    def rename(self, old: str, new: str) -> None:
        """Rename a file or directory; directories from below get a redirect."""
        source, target = tuple(old.split("/")), tuple(new.split("/"))
        if self.find(target) is not None:
            self.remove(new)
        path = self.copy_up(source)
        origin = self.origin(source) if is_directory(path) else None
        shown = None if origin is None else find(self.layers, origin)
        below = self.below(source)
        place = self.place(target)
        path.rename(place)
        if shown is not None and is_directory(shown):
            set_attribute(place, "redirect", "/" + "/".join(origin or ()))
        elif is_directory(place) and self.below(target) is not None:
            set_attribute(place, "opaque", "y")
        if below is not None:
            make_removal(path)


def meaning(path: Path) -> bytes | str | None:
    if path.is_symlink():
        return os.readlink(path)  # noqa: PTH115 - to the letter
    return path.read_bytes() if path.is_file() else None


def is_directory(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def attribute(path: Path, word: str) -> str | None:
    if not path.is_dir() or path.is_symlink():
        return None
    for space in ("user", "trusted"):
        name = f"{space}.overlay.{word}"
        if name in os.listxattr(path):
            return os.fsdecode(os.getxattr(path, name))
    return None


def set_attribute(path: Path, word: str, value: str) -> None:
    os.setxattr(path, f"user.overlay.{word}", os.fsencode(value))


def disk_view(layers: list[Path]) -> dict[Parts, bytes | str | None]:
    """Return what a stack of stored layers shows, read from disk alone."""
    seen: dict[Parts, bytes | str | None] = {}
    pending = [(name,) for name in names_below(layers, ())]
    while pending:
        parts = pending.pop()
        path = find(layers, parts)
        assert path is not None
        assert describe(path) is not None
        seen[parts] = meaning(path)
        pending.extend((*parts, name) for name in names_below(layers, parts))
    return seen

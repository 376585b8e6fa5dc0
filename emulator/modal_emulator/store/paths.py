"""
Paths inside a volume, as tuples of names.

`parse` reads what a client sent and refuses what no volume can hold. Inside the store a name is
what the kernel has: odd bytes are carried as surrogates (`os.fsdecode`), and `show` turns them
into escapes where a path leaves for the outside. It knows no file system.
"""

import os
from collections.abc import Iterable

from modal_emulator.ground.errors import Invalid

__all__ = ["Parts", "parse", "show"]

Parts = tuple[str, ...]
"""The names from the volume's root down; the root itself is `()`."""

LONGEST_NAME = 255  # NAME_MAX of Linux file systems, in bytes
LONGEST_PATH = 4095  # PATH_MAX without the terminating NUL


def parse(path: str) -> Parts:
    """
    Return the parts of a path that a client sent; "", "." and "/" are the root.

    The texts are ours: Modal's are not known (modal-semantics, section 10, point 1).
    """
    if "\0" in path:
        raise Invalid(f"Invalid path {path!r}: it contains a NUL character")
    parts = tuple(name for name in path.split("/") if name not in ("", "."))
    if ".." in parts:
        raise Invalid(f"Invalid path {path!r}: '..' is not allowed")
    if path.isascii() and len(path) <= LONGEST_NAME:
        return parts
    try:
        sizes = [len(name.encode()) for name in parts]
    except UnicodeEncodeError:
        raise Invalid(f"Invalid path {path!r}: it is not valid Unicode") from None
    if any(size > LONGEST_NAME for size in sizes):
        raise Invalid(f"Invalid path {path!r}: a name is longer than {LONGEST_NAME} bytes")
    if sum(sizes) + len(sizes) > LONGEST_PATH:
        raise Invalid(f"Invalid path: it is longer than {LONGEST_PATH} bytes")
    return parts


def show(parts: Iterable[str]) -> str:
    r"""
    Return the path as text that every client can take, without a leading slash.

    Bytes that are not UTF-8 become escapes such as `\xff`: such a file can be listed, mounted and
    removed with its directory, but not named by a client, whose paths are Unicode.
    """
    path = "/".join(parts)
    return path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")

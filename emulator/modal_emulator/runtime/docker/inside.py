"""
Where a container of Docker's finds what the server gives it.

One directory of the server's is mounted at `TOP`, all below it in one file system, so that what is
shown there can be exchanged at once from outside.
"""

__all__ = [
    "ARGUMENTS",
    "CLOCK",
    "FILES",
    "HOME",
    "LIBRARIES",
    "LINE",
    "NAPS",
    "READ_ONLY",
    "SDK",
    "SERVER",
    "START",
    "TOP",
    "place_of",
]

HOME = "/root"  # Modal's containers import local code from there
SDK = "/pkg"
"""Modal's own packages, before those of the image; [sdk] mount.py."""
TOP = "/__modal"
LIBRARIES = f"{TOP}/deps"
"""What Modal's packages need, after those of the image; [sdk] mount.py."""
ARGUMENTS = f"{TOP}/arguments"
SERVER = f"{TOP}/server.sock"
LINE = f"{TOP}/line.sock"
START = f"{TOP}/start.py"
CLOCK = f"{TOP}/clock"
NAPS = f"{TOP}/naps"
FILES = f"{TOP}/files"
"""A directory for each tree that is to be laid over `/`, by number."""
READ_ONLY = f"{TOP}/read-only"
"""A directory that is mounted read-only, with volumes that are."""


def place_of(volume_id: str, *, read_only: bool = False) -> str:
    """Return where a volume lies."""
    return f"{READ_ONLY if read_only else TOP}/volumes/{volume_id}"

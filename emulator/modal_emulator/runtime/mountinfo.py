"""
What is mounted where, as the calling process sees it.

Reads /proc/self/mountinfo; a system without it has no mounts that matter here. Paths are plain
strings: this is read for each container, and pathlib would take most of its start.
"""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mounted", "is_in", "mounted", "mounts_below"]

_SOURCE = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mounted:
    """One mount point and the kind of file system seen there."""

    path: str
    kind: str


def mounted() -> tuple[Mounted, ...]:
    """Return the mounts in effect, ordered by path; of several at one path, the last made."""
    try:
        lines = _SOURCE.read_text(errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return ()
    found: dict[str, Mounted] = {}
    for line in lines:
        fields = line.split(" ")
        # proc(5): mount point is the fifth field, the kind follows a lone dash.
        path = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])
        found[path] = Mounted(path, fields[fields.index("-", 6) + 1])
    return tuple(found[path] for path in sorted(found))


def mounts_below(path: Path) -> tuple[str, ...]:
    """Return the mount points inside `path`, and `path` itself if it is one."""
    top = str(path.absolute())
    return tuple(mount.path for mount in mounted() if is_in(mount.path, top))


def is_in(path: str, top: str) -> bool:
    """Tell whether an absolute path is `top` or lies below it."""
    return path == top or path.startswith(top if top == "/" else f"{top}/")

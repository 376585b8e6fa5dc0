"""
What is mounted where, as the calling process sees it.

Reads /proc/self/mountinfo; a system without it has no mounts that matter here.
"""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mounted", "mounted", "mounts_below"]

_SOURCE = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mounted:
    """One mount point and the kind of file system seen there."""

    path: Path
    kind: str


def mounted() -> tuple[Mounted, ...]:
    """Return the mounts in effect, ordered by path; of several at one path, the last made."""
    try:
        lines = _SOURCE.read_text(errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return ()
    found: dict[Path, Mounted] = {}
    for line in lines:
        fields = line.split(" ")
        # proc(5): mount point is the fifth field, the kind follows a lone dash.
        path = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        found[path] = Mounted(path, fields[fields.index("-", 6) + 1])
    return tuple(found[path] for path in sorted(found))


def mounts_below(path: Path) -> tuple[Path, ...]:
    """Return the mount points strictly inside `path` and `path` itself if it is one."""
    whole = path.absolute()
    return tuple(m.path for m in mounted() if m.path.is_relative_to(whole))

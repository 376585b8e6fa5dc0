"""
The lines of code that ran in a container, found again for the traceback.

An exception comes back with the SDK's names for the files in the container, such as
`<ta-…>:/root/shop.py` ([sdk] _traceback.py), and pytest shows `???` for them. The same code lies on
this machine; `linecache` is told which file it is.
"""

import linecache
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

__all__ = ["find_sources"]

REMOTE = re.compile(r"<ta-[^>]*>:(?P<path>/.+)")
HOME = Path("/root")  # where the SDK puts local code


def find_sources(error: BaseException, places: Sequence[Path]) -> None:
    """Find the source of each remote frame, local code in `places` or where Python looks."""
    for frame in _frames(error):
        name = frame.tb_frame.f_code.co_filename
        match = REMOTE.fullmatch(name)
        if match and name not in linecache.cache:
            lines = _lines(Path(match["path"]), places)
            if len(lines) >= frame.tb_lineno:
                # No time of change: the entry is not to be compared with a file of that name.
                linecache.cache[name] = (sum(map(len, lines)), None, lines, name)


def _frames(error: BaseException) -> Iterator[TracebackType]:
    seen: set[int] = set()
    pending = [error]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        pending += [other for other in (one.__cause__, one.__context__) if other is not None]
        trace = one.__traceback__
        while trace is not None:
            yield trace
            trace = trace.tb_next


def _lines(path: Path, places: Sequence[Path]) -> list[str]:
    candidates = [path]
    if path.is_relative_to(HOME):
        within = path.relative_to(HOME)
        candidates = [place / within for place in (*places, *map(Path, sys.path))] + candidates
    for candidate in candidates:
        try:
            return candidate.read_text("utf-8").splitlines(keepends=True)
        except (OSError, UnicodeDecodeError):
            continue
    return []

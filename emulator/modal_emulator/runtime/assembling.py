"""
What `open` builds on top of a raw file: buffers and text, as Python's own function does it.

That one takes no other raw file than its own.
"""

import io
from collections.abc import Callable
from typing import Any

__all__ = ["assemble"]

_MODES = frozenset("rwxabt+")


def assemble(
    raw: Callable[[str], Any],
    mode: Any,
    buffering: Any,
    encoding: Any,
    errors: Any,
    newline: Any,
) -> Any:
    """
    Return what `open` does, around the raw file that `raw` opens, given its mode.

    None: the arguments are such that Python's own function has something to say about them.
    """
    if not isinstance(mode, str) or not isinstance(buffering, int):
        return None
    letters, binary = set(mode), "b" in mode
    one_way = len(letters & set("rwxa")) == 1
    if not (letters <= _MODES and len(letters) == len(mode) and one_way):
        return None
    if binary and ("t" in mode or buffering == 1 or (encoding, errors, newline) != (None,) * 3):
        return None
    lowest = raw(mode.replace("b", "").replace("t", ""))
    result: Any = lowest
    try:
        is_terminal = buffering < 0 and lowest.isatty()
        if buffering == 0:
            if not binary:
                raise ValueError("can't have unbuffered text I/O")
            return lowest
        size = buffering
        if buffering == 1 or buffering < 0:
            size = lowest._blksize if lowest._blksize > 1 else io.DEFAULT_BUFFER_SIZE
        result = _buffer(letters)(lowest, size)
        if not binary:
            by_line = buffering == 1 or is_terminal
            result = io.TextIOWrapper(result, encoding, errors, newline, by_line)
            result.mode = mode
    except BaseException:
        result.close()
        raise
    return result


def _buffer(letters: set[str]) -> Callable[..., Any]:
    if "+" in letters:
        return io.BufferedRandom
    return io.BufferedReader if "r" in letters else io.BufferedWriter

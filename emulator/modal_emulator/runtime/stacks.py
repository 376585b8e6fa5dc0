"""
Which lines of user code stand on the stack of a thread.

User code is what is neither the SDK's nor ours, nor from the standard library or an installed
package. What called a test is not looked at.
"""

import gc
import os
import sys
import sysconfig
import threading
from types import FrameType

__all__ = ["frames", "innermost", "lines_of"]

# What calls tests: from there outwards are tens of frames, and none of them is the test's.
_LAUNCHERS = ("/_pytest/python.py", "/_pytest/unittest.py")
_NO_FURTHER = ""


class _Names:
    """What user code's files are called; None for other code, or `_NO_FURTHER`."""

    def __init__(self) -> None:
        ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
        others = {ours, *(sysconfig.get_path(n) for n in ("stdlib", "platstdlib", "scripts"))}
        self._others = tuple(f"{path}{os.sep}" for path in others if path)
        # Where the user is; and where local code is in a container.
        tops = {"/root/", os.path.join(os.getcwd(), "")} - {"/"}  # noqa: PTH109, PTH118
        self._tops = sorted(tops, key=len, reverse=True)
        self._known: dict[str, str | None] = {}

    def of(self, file: str) -> str | None:
        """Return the short name of a file of user code."""
        try:
            return self._known[file]
        except KeyError:
            name = self._known[file] = self._find(file)
            return name

    def _find(self, file: str) -> str | None:
        if file.endswith(_LAUNCHERS):
            return _NO_FURTHER
        installed = "/site-packages/" in file or "/dist-packages/" in file
        if installed or file.startswith(("<frozen", "<string>", "<__array")):
            return None
        if file.startswith(self._others):
            return None
        return next((file[len(top) :] for top in self._tops if file.startswith(top)), file)


_NAMES = _Names()

_STILL = threading.Lock()


def frames() -> dict[int, FrameType]:
    """
    Return the innermost frame of each thread, by the thread's identity.

    Python holds a lock of its own over all threads while it makes the answer. Should garbage be
    collected then, and take along a thread, it waits for that lock for ever (gh-106883), and with
    it everything does.
    """
    with _STILL:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if collects:
                gc.enable()


def lines_of(frame: FrameType | None) -> tuple[str, ...]:
    """Return the lines of user code of a stack, as `file.py:12 in add`, the innermost last."""
    lines = []
    known, of = _NAMES._known, _NAMES.of
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        name = known[file] if file in known else of(file)
        if name is not None:
            if name == _NO_FURTHER:
                break
            lines.append(f"{name}:{frame.f_lineno} in {code.co_name}")
        frame = frame.f_back
    lines.reverse()
    return tuple(lines)


def innermost(frame: FrameType | None) -> FrameType | None:
    """Return the first frame of user code, from here outwards."""
    known, of = _NAMES._known, _NAMES.of
    while frame is not None:
        file = frame.f_code.co_filename
        name = known[file] if file in known else of(file)
        if name is not None:
            return frame if name != _NO_FURTHER else None
        frame = frame.f_back
    return None

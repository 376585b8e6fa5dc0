"""
Which lines of user code stand behind a call: read off the stacks of threads and tasks.

User code is what is neither the SDK's nor ours, nor from the standard library or an installed
package. A blocking call of the SDK leaves the caller's thread in synchronicity, and an asynchronous
one leaves its task there, while the SDK's own loop does the work; the coroutine that both hold
tells who waits for which work. Nothing is hooked for that, so calls cost nothing until asked.
"""

import asyncio
import os
import sys
import sysconfig
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any

__all__ = ["innermost", "lines_of", "lines_waiting"]

_WAITS = frozenset({"_run_function_sync", "_run_function_async"})
_NEAR = 8  # frames between the place where a thread stands and synchronicity's own
_DEEP = 8  # tasks that wait for one another
_LOOP = "run_forever"


class _Names:
    """What user code's files are called; None for all other code."""

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
        installed = "/site-packages/" in file or "/dist-packages/" in file
        if installed or file.startswith(("<frozen", "<string>", "<__array")):
            return None
        if file.startswith(self._others):
            return None
        return next((file[len(top) :] for top in self._tops if file.startswith(top)), file)


_NAMES = _Names()


def lines_of(frame: FrameType | None) -> tuple[str, ...]:
    """Return the lines of user code of a stack, as `file.py:12 in add`, the innermost last."""
    lines = []
    known, of = _NAMES._known, _NAMES.of
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        name = known[file] if file in known else of(file)
        if name is not None:
            lines.append(f"{name}:{frame.f_lineno} in {code.co_name}")
        frame = frame.f_back
    lines.reverse()
    return tuple(lines)


def innermost(frame: FrameType | None) -> FrameType | None:
    """Return the first frame of user code, from here outwards."""
    known, of = _NAMES._known, _NAMES.of
    while frame is not None:
        file = frame.f_code.co_filename
        if (known[file] if file in known else of(file)) is not None:
            break
        frame = frame.f_back
    return frame


def lines_waiting(threads: Iterable[int]) -> tuple[str, ...]:
    """
    Return the lines of that one among these threads, or of their tasks, that waits for this task.

    To be called on the SDK's loop. Of several that wait, it is the one whose work leads to the
    running task; where nobody's does, nobody can tell, and nothing is returned.
    """
    frames = sys._current_frames()
    here = threading.get_ident()
    found = list[tuple[Any, tuple[str, ...]]]()
    for thread in threads:
        frame = frames.get(thread)
        if frame is None or thread == here:
            continue
        waits, loop = _wait_of(frame)
        if waits is not None:
            found.append((waits.f_locals.get("coro"), lines_of(waits)))
        elif loop is not None:
            found.extend(_tasks_of(loop))
    if len(found) > 1:
        tasks = {task.get_coro(): task for task in asyncio.all_tasks()}
        me = asyncio.current_task()
        found = [each for each in found if _leads(tasks.get(each[0]), me)]
    return found[0][1] if len(found) == 1 else ()


def _leads(waits: Any, task: object) -> bool:
    """Tell whether what a task waits for is, in the end, this one."""
    for _ in range(_DEEP):
        if waits is task or waits is None:
            break
        parts = getattr(waits, "_children", None)  # of a gathering
        if parts is not None:
            return any(_leads(part, task) for part in parts)
        waits = getattr(waits, "_fut_waiter", None)
    return waits is task


def _wait_of(
    frame: FrameType | None,
) -> tuple[FrameType | None, asyncio.AbstractEventLoop | None]:
    """Return the frame in which a thread waits for the SDK, or else the loop that it runs."""
    for _ in range(_NEAR):
        if frame is None:
            break
        name = frame.f_code.co_name
        if name in _WAITS:
            return frame, None
        if name == _LOOP:
            loop = frame.f_locals.get("self")
            return None, loop if isinstance(loop, asyncio.AbstractEventLoop) else None
        frame = frame.f_back
    return None, None


def _tasks_of(loop: asyncio.AbstractEventLoop) -> Iterable[tuple[Any, tuple[str, ...]]]:
    """Return what each task of a loop has the SDK work on, and its lines."""
    for task in asyncio.all_tasks(loop):
        lines = list[str]()
        inner: Any = task.get_coro()
        while inner is not None:
            frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None)
            if frame is None:
                break
            code = frame.f_code
            if code.co_name in _WAITS:
                yield frame.f_locals.get("coro"), tuple(lines)
                break
            name = _NAMES.of(code.co_filename)
            if name is not None:
                lines.append(f"{name}:{frame.f_lineno} in {code.co_name}")
            inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)

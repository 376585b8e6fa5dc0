"""
Which lines of user code stand behind a call: read off the stacks of threads and tasks.

User code is what is neither the SDK's nor ours, nor from the standard library or an installed
package. A blocking call of the SDK leaves the caller's thread in synchronicity, and an asynchronous
one leaves its task there, while the SDK's own loop does the work; the coroutine that both hold
tells who waits for which work. Nothing is hooked for that, so calls cost nothing until asked.
"""

import asyncio
import gc
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["frames", "innermost", "lines_of", "lines_waiting"]

_WAITS = frozenset({"_run_function_sync", "_run_function_async"})
_NEAR = 8  # frames between the place where a thread stands and synchronicity's own
_DEEP = 8  # tasks that wait for one another
_LOOP = "run_forever"
_NAMES_OF_WAITS = _WAITS | {_LOOP}

_Wait = tuple[FrameType, "tuple[str, ...] | None"]
"""Where somebody waits for the SDK, whose local `coro` is the work; and a task's own lines."""


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


def lines_waiting(belongs: Callable[[int], bool]) -> tuple[str, ...]:
    """
    Return the lines of that thread, or of that task, that waits for the running task.

    To be called on the SDK's loop; only threads count that `belongs` says yes to, given their
    identity. Of several that wait, it is the one whose work leads here; where nobody's does,
    nobody can tell, and nothing is returned.
    """
    here = threading.get_ident()
    found = list[_Wait]()
    for thread, frame in frames().items():
        if thread != here and (waits := _wait_of(frame)) is not None and belongs(thread):
            found += _tasks_of(waits) if waits.f_code.co_name == _LOOP else [(waits, None)]
    if len(found) > 1:
        tasks: dict[Any, Any] = {task.get_coro(): task for task in asyncio.all_tasks()}
        me = asyncio.current_task()
        found = [each for each in found if _leads(tasks.get(each[0].f_locals.get("coro")), me)]
    if len(found) != 1:
        return ()
    ((waits, lines),) = found
    return lines_of(waits) if lines is None else lines


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


def _wait_of(frame: FrameType | None) -> FrameType | None:
    """Return the frame in which a thread waits for the SDK, or else that of its event loop."""
    for _ in range(_NEAR):
        if frame is None or frame.f_code.co_name in _NAMES_OF_WAITS:
            return frame
        frame = frame.f_back
    return None


def _tasks_of(running: FrameType) -> Iterator[_Wait]:
    """Yield the frame in which each task of a loop waits for the SDK, and the task's lines."""
    loop = running.f_locals.get("self")
    for task in asyncio.all_tasks(loop) if isinstance(loop, asyncio.AbstractEventLoop) else ():
        lines = list[str]()
        inner: Any = task.get_coro()
        while inner is not None:
            frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None)
            if frame is None:
                break
            code = frame.f_code
            if code.co_name in _WAITS:
                yield frame, tuple(lines)
                break
            name = _NAMES.of(code.co_filename)
            if name is not None:
                lines.append(f"{name}:{frame.f_lineno} in {code.co_name}")
            inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)

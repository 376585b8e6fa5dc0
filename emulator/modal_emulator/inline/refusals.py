"""
What code in a thread container does not do to the test process.

Where it ends its own process without a word, its container ends so. A signal that a process could
handle would hit everything else in the process: it is refused with a message that says where it
works.
"""

import errno
import os
import posix
import signal
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from modal_emulator.runtime.backend import Exit
from modal_emulator.runtime.inline.here import here
from modal_emulator.runtime.mountinfo import is_in
from modal_emulator.runtime.replacing import wrap_one

__all__ = ["NotInline", "refuse"]

_DEADLY = frozenset({signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS})
"""Signals by which the container is to end at once: nobody handles them."""
_REASON = (
    "{name} in a container of the inline runtime would hit the whole test process; "
    "use runtime='process' for this test"
)


class NotInline(RuntimeError):
    """User code asked for something that only a process of its own can give."""


def refuse() -> Callable[[], None]:
    """Refuse these calls in containers from now on; returns what allows them again."""
    process = os.getpid()

    def of(number: int) -> Exit | bool:
        return Exit(None, number) if number in _DEADLY else True

    def hits_us(target: int) -> bool:
        return here() is not None and os.getpid() == process and target in (0, process)

    takers = [
        _guard(os, "_exit", lambda code: hits_us(process) and Exit(code & 0xFF)),
        _guard(os, "abort", lambda: hits_us(process) and Exit(None, signal.SIGABRT)),
        # Signal 0 only asks whether the process is there.
        _guard(os, "kill", lambda target, number: number != 0 and hits_us(target) and of(number)),
        _guard(signal, "raise_signal", lambda number: hits_us(process) and of(number)),
        _guard_links(),
    ]

    def allow() -> None:
        for take in takers:
            take()

    return allow


def _guard(module: ModuleType, name: str, end: Callable[..., Exit | bool]) -> Callable[[], None]:
    """`end` says how the container of who calls this is to end; True refuses it, False lets be."""

    def guard(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def guarded(*arguments: Any) -> Any:
            ended, container = end(*arguments), here()
            if isinstance(ended, Exit) and container is not None and container.die is not None:
                container.die(ended)
                container.kill.meet()
            if ended:
                raise NotInline(_REASON.format(name=f"{module.__name__}.{name}()"))
            return original(*arguments)

        return guarded

    return wrap_one(module, name, guard)


def _guard_links() -> Callable[[], None]:
    """Refuse hard links as volumes of version 1 do; programs and C libraries still make them."""

    def guard(original: Callable[..., None]) -> Callable[..., None]:
        @wraps(original)
        def link(src: Any, dst: Any, **options: Any) -> None:
            if _forbids_link(dst) and os.path.lexists(src) and not os.path.lexists(dst):
                # modal-semantics 1.6 [observed]
                raise OSError(errno.EPERM, os.strerror(errno.EPERM), src, None, dst)
            original(src, dst, **options)

        return link

    is_posix = os.link is posix.link
    undo = wrap_one(os, "link", guard)

    def allow() -> None:
        undo()
        if is_posix:  # other functions may stand there by now, or no longer do
            os.link = posix.link

    return allow


def _forbids_link(path: Any) -> bool:
    container = here()
    if container is None or not container.unlinked or not isinstance(path, (str, os.PathLike)):
        return False
    target = os.path.realpath(os.path.dirname(os.fspath(path)) or ".")  # noqa: PTH120
    return any(is_in(target, top) for top in container.unlinked)

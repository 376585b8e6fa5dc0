"""
Threads that code in a container starts, which belong to the container.

The kernel gives them its files by itself. That code in them runs in the container is told here:
a thread belongs where the thread belongs that started it, whatever context variables say, for the
SDK's own thread works for containers and is in none.

What cannot be had: a thread pool made outside and used inside, at module level for instance, runs
its work outside; so do threads that C libraries or `_thread.start_new_thread` start.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from threading import Thread

from modal_emulator.runtime.inline.here import HERE, Here
from modal_emulator.runtime.inline.killing import Abandoned

__all__ = ["belong", "belongs_to", "count_threads", "home", "hush"]

_HOME = "_modal_emulator_home"
_TELL = "_invoke_excepthook"


class _Belonging(threading.local):
    home: Here | None = None


_THIS = _Belonging()


def home() -> Here | None:
    """Return the container that the calling thread belongs to, whatever it works for."""
    return _THIS.home


def belongs_to(thread: Thread) -> Here | None:
    """Return the container that some thread belongs to, if it was started there."""
    container: Here | None = thread.__dict__.get(_HOME)
    return container


def belong(container: Here) -> None:
    """Have the calling thread, and all that it starts, belong to a container."""
    _settle(container, threading.current_thread())


def _settle(container: Here, thread: Thread) -> None:
    thread.__dict__[_HOME] = _THIS.home = container
    HERE.set(container)
    with suppress(TypeError):  # a class of threads that cannot be hashed
        container.threads.add(thread)


def hush(thread: Thread) -> None:
    """Have nobody told that this thread is broken off."""
    tell = getattr(thread, _TELL, None)  # not public; the same in Python 3.10 to 3.13
    if tell is None or hasattr(tell, "is_hushed"):
        return

    def tell_of_others(ended: Thread) -> None:
        if not isinstance(sys.exc_info()[1], Abandoned):
            tell(ended)

    tell_of_others.is_hushed = True  # type: ignore[attr-defined]
    setattr(thread, _TELL, tell_of_others)


def count_threads() -> Callable[[], None]:
    """Have threads belong to where they were started; returns what takes that back."""
    start, bootstrap = Thread.start, Thread._bootstrap  # type: ignore[attr-defined]

    @wraps(start)
    def start_at_home(self: Thread) -> None:
        if _THIS.home is not None:
            self.__dict__[_HOME] = _THIS.home
        start(self)

    @wraps(bootstrap)
    def bootstrap_at_home(self: Thread) -> None:
        container = self.__dict__.get(_HOME)
        if container is not None:
            _settle(container, self)
        bootstrap(self)

    Thread.start = start_at_home  # type: ignore[method-assign]
    Thread._bootstrap = bootstrap_at_home  # type: ignore[attr-defined]

    def take_back() -> None:
        Thread.start = start  # type: ignore[method-assign]
        Thread._bootstrap = bootstrap  # type: ignore[attr-defined]

    return take_back

"""
The redirection of this process's file functions for containers of threads.

It is in effect while anybody has taken it, and then holds for the code of containers only: all
other code gets the original functions after one look at a context variable. The first time takes
tens of milliseconds, for every module is looked through.
"""

import subprocess
from collections.abc import Callable
from threading import Lock

from modal_emulator.runtime.inline.here import HERE
from modal_emulator.runtime.inline.paths import Paths, really
from modal_emulator.runtime.inline.whereabouts import whereabouts
from modal_emulator.runtime.named_sockets import redirect_sockets
from modal_emulator.runtime.portable import Redirections, redirections
from modal_emulator.runtime.replacing import Places

__all__ = ["REDIRECTION", "Redirection"]

_POSIX_SPAWN = "_USE_POSIX_SPAWN"


class Redirection:
    """Puts the functions in place and back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._takers = 0
        self._places: Places | None = None
        self._new: Redirections = {}
        self._put_back: Callable[[], None] = _nothing

    def take(self) -> None:
        """Have it in effect until it is given back; from any thread."""
        with self._lock:
            self._takers += 1
            if self._takers == 1:
                really(self._install)

    def give_back(self) -> None:
        """Put the original functions back when nobody else has taken it."""
        with self._lock:
            self._takers -= 1
            if self._takers == 0:
                really(self._put_back)

    def _install(self) -> None:
        if self._places is None:
            others = redirections(_find)
            self._new = {**others, **whereabouts(_find, others)}
            self._places = Places()
        self._places.look()
        functions, sockets = self._places.replace(self._new), redirect_sockets(_find)
        spawns = getattr(subprocess, _POSIX_SPAWN, False)
        # It takes no working directory, and the container's is not the process's.
        setattr(subprocess, _POSIX_SPAWN, False)

        def put_back() -> None:
            sockets()
            functions()
            setattr(subprocess, _POSIX_SPAWN, spawns)

        self._put_back = put_back


def _find() -> Paths | None:
    here = HERE.get()
    return None if here is None else here.paths


def _nothing() -> None:
    pass


REDIRECTION = Redirection()
"""The one of this process, which has its functions only once."""

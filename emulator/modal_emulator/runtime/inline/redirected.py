"""
What stands for this process's file functions, for the code of containers of threads only.

Two things can be asked of them: to find files where a container has copies of volumes, and to tell
who watches of each step. Each is in effect while anybody has taken it; all code outside gets the
original functions after one look at a context variable. The first time takes tens of
milliseconds, for every module is looked through.
"""

import os
import subprocess
from collections.abc import Callable
from threading import Lock

from modal_emulator.runtime.inline.here import HERE
from modal_emulator.runtime.inline.paths import Paths, really
from modal_emulator.runtime.inline.whereabouts import whereabouts
from modal_emulator.runtime.named_sockets import redirect_sockets
from modal_emulator.runtime.portable import Redirections, redirections
from modal_emulator.runtime.replacing import Places
from modal_emulator.runtime.watcher import Watcher
from modal_emulator.runtime.watching import watchings

__all__ = ["REDIRECTION", "Redirection"]

_POSIX_SPAWN = "_USE_POSIX_SPAWN"


class Redirection:
    """Puts the functions in place and back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._takers = {False: 0, True: 0}
        self._places: Places | None = None
        self._tables: dict[tuple[bool, bool], Redirections] = {}
        self._put_back: Callable[[], None] = _nothing

    def take(self, *, watches: bool = False) -> None:
        """Have it in effect until it is given back; from any thread."""
        self._count(watches, 1)

    def give_back(self, *, watches: bool = False) -> None:
        """Take it out of effect when nobody else has taken it."""
        self._count(watches, -1)

    def _count(self, watches: bool, more: int) -> None:
        with self._lock:
            before = self._wanted()
            self._takers[watches] += more
            if self._wanted() != before:
                really(self._change)

    def _wanted(self) -> tuple[bool, bool]:
        return self._takers[False] > 0, self._takers[True] > 0

    def _change(self) -> None:
        self._put_back()
        self._put_back = _nothing
        redirects, watches = self._wanted()
        if redirects or watches:
            self._put_back = self._install(redirects, watches)

    def _install(self, redirects: bool, watches: bool) -> Callable[[], None]:
        if self._places is None:
            self._places = Places()
            os.register_at_fork(after_in_child=_HOME.leave)
        self._places.look()
        functions = self._places.replace(self._table(redirects, watches))
        if not redirects:
            return functions
        sockets = redirect_sockets(_find)
        spawns = getattr(subprocess, _POSIX_SPAWN, False)
        # It takes no working directory, and the container's is not the process's.
        setattr(subprocess, _POSIX_SPAWN, False)

        def put_back() -> None:
            sockets()
            functions()
            setattr(subprocess, _POSIX_SPAWN, spawns)

        return put_back

    def _table(self, redirects: bool, watches: bool) -> Redirections:
        """Return the functions, made only once: modules that kept some of them go on with them."""
        if (redirects, watches) not in self._tables:
            new: Redirections = {}
            if redirects:
                others = redirections(_find)
                new = {**others, **whereabouts(_find, others)}
            if watches:
                new = watchings(_find_watcher, new)
            self._tables[redirects, watches] = new
        return self._tables[redirects, watches]


class _Home:
    """Whether this is the process that containers are threads of, and no fork of it."""

    def __init__(self) -> None:
        self.is_here = True

    def leave(self) -> None:
        self.is_here = False


_HOME = _Home()


def _find() -> Paths | None:
    here = HERE.get()
    return None if here is None else here.paths


def _find_watcher() -> Watcher | None:
    here = HERE.get()
    if here is None:
        return None
    watcher: Watcher | None = here.watcher
    # Nobody answers a fork of this process: what it does is not seen.
    return watcher if watcher is not None and watcher.looks and _HOME.is_here else None


def _nothing() -> None:
    pass


REDIRECTION = Redirection()
"""The one of this process, which has its functions only once."""

"""
What of Python itself answers differently in containers of threads, while there can be any.

Several backends may live in one process; the first one changes Python, the last one puts all back.
"""

import threading
from collections.abc import Callable

from modal_emulator.runtime.inline.console import share_console
from modal_emulator.runtime.inline.environ import show_environments
from modal_emulator.runtime.inline.offspring import adopt_programs
from modal_emulator.runtime.inline.spawning import count_threads
from modal_emulator.runtime.inline.storing import note_maps

__all__ = ["enter_surroundings", "leave_surroundings"]

_CHANGES = (show_environments, count_threads, share_console, adopt_programs, note_maps)
_lock = threading.Lock()
_users = 0
_takers: list[Callable[[], None]] = []


def enter_surroundings() -> None:
    """Change Python, unless that is done."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _takers.extend(change() for change in _CHANGES)


def leave_surroundings() -> None:
    """Put everything back, if nobody else needs it."""
    global _users
    with _lock:
        _users -= 1
        while not _users and _takers:
            _takers.pop()()

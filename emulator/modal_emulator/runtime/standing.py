"""
What stands for Python's file functions in the zygote, and in every container that is forked off it.

It is put in place once, before any container, for that takes milliseconds. In the zygote it does
nothing; a container says what it is to do there. Only where files are to be found in copies does
a container put other functions in place.
"""

from modal_emulator.runtime.portable import Names, redirections
from modal_emulator.runtime.renames import completed
from modal_emulator.runtime.replacing import Places
from modal_emulator.runtime.watcher import Watcher
from modal_emulator.runtime.watching import watchings

__all__ = ["Standing"]


class Standing:
    """The functions of this process and its forks."""

    def __init__(self) -> None:
        self._places = Places()
        self._watcher: Watcher | None = None
        self._completes = False
        functions = watchings(self._find, completed(lambda: self._completes))
        self._put_back = self._places.replace(functions)

    def complete_renames(self) -> None:
        """Let directories be renamed as an ordinary user's mounts do not; see `renames`."""
        self._completes = True

    def redirect(self, names: Names) -> None:
        """Have all code of this process find files by these names."""
        self._put_back()
        self._places.replace(watchings(self._find, redirections(lambda: names)))

    def tell(self, watcher: Watcher) -> None:
        """From now on, tell who watches of each step."""
        self._watcher = watcher

    def _find(self) -> Watcher | None:
        watcher = self._watcher
        return watcher if watcher is not None and watcher.looks else None

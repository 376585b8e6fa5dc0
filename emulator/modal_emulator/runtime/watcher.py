"""
One container's eye on its files, inside the container: what becomes a step, and what is told of it.

It is asked by the functions of `watching`, from any thread of the container.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, TypeVar

from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.runtime.backend import Mount
from modal_emulator.runtime.sight import Attention, Sight
from modal_emulator.runtime.stacks import innermost, lines_of
from modal_emulator.runtime.volume_paths import Spot, VolumePaths

__all__ = ["Find", "Watcher"]

T = TypeVar("T")

_MOST = 1000  # steps of one kind that a line tells of in an epoch, such as one that unpacks a lot


class _Looking(threading.local):
    """Whether a thread asks about files for us, which makes no steps."""

    is_ours = False


class Watcher:
    """Sees the steps of one container."""

    def __init__(
        self, mounts: Iterable[Mount], sight: Sight, meet: Callable[..., object] | None = None
    ) -> None:
        """
        Tell `sight` of what is done in these mounts.

        `meet` is called at each step, and raises where code is to go no further; a file is closed
        in any case, for which `may_end` is False.
        """
        self._sight = sight
        self._meet = meet
        self._paths = VolumePaths(mounts, self._real)
        self._looking = _Looking()
        self._told: dict[object, set[object]] = {}
        self._epoch = -1
        self.files: dict[int, Spot] = {}
        """What is open in volumes, by the file descriptor."""

    @property
    def looks(self) -> bool:
        """Whether anything is to be seen."""
        return self._sight.attention != Attention.OFF and not self._looking.is_ours

    def spot(self, path: Any, directory: Any = None) -> Spot | None:
        """Return where in a volume a path leads, seen from an open directory if one is given."""
        if type(path) is int:
            return self.files.get(path)
        return self._paths.find(path, self.files.get(directory) if directory is not None else None)

    def do(
        self,
        kind: Kind,
        spot: Spot,
        work: Callable[..., T],
        *args: Any,
        to: str = "",
        arguments: tuple[str, ...] = (),
        waits: bool = True,
        **kwargs: Any,
    ) -> T:
        """Do the work of a step."""
        if waits and self._meet is not None:
            self._meet(may_end=kind is not Kind.CLOSE)
        if waits and self._sight.attention == Attention.HOLD:
            frame = sys._getframe(1)
            step = Step(kind, "", "", "", *spot, to, arguments, where=lines_of(frame))
            return self._held(step, work, *args, **kwargs)
        try:
            result = self._really(work, *args, **kwargs)
        except OSError as error:
            self._tell(kind, spot, to, arguments, error)
            raise
        self._tell(kind, spot, to, arguments, None)
        return result

    def links_may_differ(self) -> None:
        """Something was made or renamed."""
        self._paths.forget()

    def _held(self, step: Step, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        self._hold(step, Moment.BEFORE)
        try:
            result = self._really(work, *args, **kwargs)
        except OSError as error:
            self._hold(step, Moment.AFTER, error)
            raise
        self._hold(step, Moment.AFTER)
        return result

    def _hold(self, step: Step, moment: Moment, error: OSError | None = None) -> None:
        self._sight.hold(step, moment, error)
        if self._meet is not None:  # it may have been held while its container was killed
            self._meet(may_end=step.kind is not Kind.CLOSE)

    def _tell(
        self,
        kind: Kind,
        spot: Spot,
        to: str,
        arguments: tuple[str, ...],
        error: OSError | None,
    ) -> None:
        frame: FrameType | None = innermost(sys._getframe(2))
        line = (frame.f_code, frame.f_lineno) if frame is not None else None
        number = None if error is None else error.errno
        step = (spot, to, arguments, number)
        epoch = self._sight.epoch
        if epoch != self._epoch:
            self._epoch, self._told = epoch, {}
        told = self._told.setdefault((kind, line), set())
        if step not in told and len(told) < _MOST:
            told.add(step)
            where = lines_of(frame)
            self._sight.note(Step(kind, "", "", "", *spot, to, arguments, where=where), error)

    def _really(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Do what may look at files itself: that is a part of the same step, or is for us."""
        self._looking.is_ours = True
        try:
            return work(*args, **kwargs)
        finally:
            self._looking.is_ours = False

    def _real(self, directory: str) -> str:
        return str(self._really(os.path.realpath, directory))


Find = Callable[[], "Watcher | None"]
"""Returns who watches the caller; None: nobody."""

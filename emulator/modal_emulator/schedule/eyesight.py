"""
What containers do with files, seen by the server: it makes the file steps of a World pass `Steps`.

Containers tell of them from threads, or from processes by their backend; here they come onto the
event loop in their order, and get what only the server knows: whose call it is, and which version
of the volume the container sees.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from pathlib import Path

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.ground.steps import FILE_STEPS, Kind, Moment, Step
from modal_emulator.runtime.abroad import Abroad
from modal_emulator.runtime.sight import Attention
from modal_emulator.runtime.sight_page import SightPage
from modal_emulator.schedule.steps import Steps

__all__ = ["Eyesight", "Look"]

Complete = Callable[[Step], Step]
"""Adds to a step what only the server knows of who does it; called on the event loop."""

_PIECE = 0.05  # seconds; a thread that is to be broken off meets that between two waits
_QUIET = frozenset({*FILE_STEPS, Kind.RUN})


class Eyesight:
    """Sees the files of all containers of one World."""

    def __init__(self, steps: Steps, journal: Journal, page: Path, *, watches: bool) -> None:
        """Other processes find what they are to know at `page`, once one asks for it."""
        self._steps = steps
        self._watches = watches
        self._path = page
        self._page: SightPage | None = None
        self._looks: dict[str, Look] = {}
        self.epoch = 0
        """Grows when a container hears of others: at its other steps, and at commits."""
        steps.listen(self._stepped, *(kind for kind in Kind if kind not in _QUIET))
        steps.on_change(self._changed)
        steps.drain_by(self._drain)
        journal.listen(self._happened, "volume.commit")

    @property
    def attention(self) -> Attention:
        """How much is to be seen; from any thread."""
        return Attention.HOLD if self._steps.holds_files else Attention.NOTE

    def look(self, container_id: str, complete: Complete) -> "Look | None":
        """Return what sees one container that is to start on this event loop, if anything does."""
        if not self._watches:
            return None
        look = Look(self, self._steps, complete, asyncio.get_running_loop())
        self._looks[container_id] = look
        return look

    def _drain(self, container_id: str) -> None:
        """Let all be known that a container has done with files so far."""
        if (look := self._looks.get(container_id)) is not None:
            look.drain()

    def close(self, container_id: str) -> None:
        """The container has ended; nothing of it is held any more."""
        if (look := self._looks.pop(container_id, None)) is not None:
            look.close()

    @property
    def page(self) -> Path:
        """Where a `SightPage` is kept up to date, from now on."""
        if self._page is None:
            self._page = SightPage.make(self._path)
            self._changed()
        return self._path

    def shut(self) -> None:
        """All containers have ended, and so has the World: let go of the page."""
        page, self._page = self._page, None
        if page is not None:
            page.close()
            with suppress(OSError):  # the disk takes no writes any more
                self._path.unlink(missing_ok=True)

    def _stepped(self, _step: Step, _error: Exception | None) -> None:
        self._renew()

    def _happened(self, _event: Event) -> None:
        self._renew()

    def _renew(self) -> None:
        self.epoch += 1
        if self._page is not None:
            self._page.renew(self.epoch)

    def _changed(self) -> None:
        if self._page is not None:
            self._page.write(self.attention, self.epoch)


class Look:
    """Sees one container's files, as `Sight` says."""

    def __init__(
        self,
        eyesight: Eyesight,
        steps: Steps,
        complete: Complete,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._eyesight = eyesight
        self._steps = steps
        self._complete = complete
        self._loop = loop
        self._home = threading.get_ident()
        self._heard: deque[tuple[Step, OSError | None]] = deque()
        self._is_coming = self._is_over = False
        self._held: set[asyncio.Task[None]] = set()
        self._read: Callable[[], None] = _nothing

    @property
    def page(self) -> Path:
        """Where other processes find what they are to know."""
        return self._eyesight.page

    def source(self, read: Callable[[], None]) -> None:
        """Call `read`, which calls `note`, whenever all must be known that was told so far."""
        self._read = read

    @property
    def attention(self) -> Attention:
        """How much is to be seen now."""
        return self._eyesight.attention

    @property
    def epoch(self) -> int:
        """Until when a step is no news."""
        return self._eyesight.epoch

    def note(self, step: Step, error: OSError | None) -> None:
        """From any thread: hear of a step that is over."""
        self._heard.append((step, error))
        if not self._is_coming:
            self._is_coming = True
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self.drain, context=Context())

    def hold(self, step: Step, moment: Moment, error: OSError | None = None) -> None:
        """
        From any thread: return when the step may begin, or go on after it is over.

        Raises:
            Exception: the step is to fail with it; of our own errors OSError is made.
        """
        if threading.get_ident() == self._home:  # it would wait for itself
            if moment is Moment.AFTER:
                self.note(step, error)
            return
        held = Abroad(self._loop, lambda: self.arrive(step, moment, error))
        try:
            try:
                held.begin()
            except RuntimeError:  # the loop is closed
                return
            _wait(held)
        finally:
            held.end()  # the thread was broken off

    async def arrive(self, step: Step, moment: Moment, error: OSError | None) -> None:
        """On the loop: as `hold`, but what a gate raises comes as it is."""
        self.drain()
        task = asyncio.current_task()
        if self._is_over or task is None:
            return
        step = self._complete(step)
        if moment is Moment.AFTER:
            self._steps.note(step, error)
        self._held.add(task)
        try:
            await self._steps.arrive(step, moment)
        finally:
            self._held.discard(task)

    def drain(self) -> None:
        """On the loop: pass on what was heard."""
        self._read()
        self._is_coming = False
        while self._heard:
            step, error = self._heard.popleft()
            self._steps.note(self._complete(step), error)

    def close(self) -> None:
        """On the loop: the container has ended; nothing of it is held any more."""
        self.drain()
        self._is_over = True
        for task in tuple(self._held):
            task.cancel()


def _wait(held: Abroad[None]) -> None:
    while not held.wait(_PIECE):
        pass
    try:
        held.result()
    except EmulatorError as failure:
        raise OSError(str(failure)) from failure
    except asyncio.CancelledError:
        pass  # the container has ended, or all has: nobody holds it any more


def _nothing() -> None:
    pass

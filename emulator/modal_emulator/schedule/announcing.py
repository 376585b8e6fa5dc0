"""
Tells findings while a server runs, each once, soon after it showed.

Nothing is looked for while nothing happens to volumes. After something did, the newest events of
the journal are read once all has been quiet for a moment, or after some moments without quiet; then
as long as that took many times over nothing is read, so that it costs a small part of one core at
most. What is kept is which findings were told, and of these the newest. What only the end can make
certain, such as a reload that never succeeded, waits for the container's end, or the server's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from modal_emulator.findings.entries import Story
from modal_emulator.findings.finding import Finding, Level, Subject
from modal_emulator.findings.levels import Levels
from modal_emulator.ground.clock import monotonic
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.ground.steps import FILE_STEPS
from modal_emulator.schedule.explaining import Explaining

__all__ = ["NEWEST", "Announcing"]

NEWEST = 20_000
"""Events of the journal that are read at a time; all that it keeps are read at the end."""
_KEPT = 10_000
"""Findings that are known to be told."""
_MOMENT = 1.0
_MOMENTS = 5
_REST = 30
_READING = frozenset(kind.value for kind in FILE_STEPS)
_TELLING = frozenset({"volume.commit", "volume.lost", "finding", "container.exit"})
_AT_THE_END = frozenset({Subject.BLOCKED_RELOAD, Subject.TEMPORARY})

Key = tuple[object, ...]


class Announcing:
    """Tells of what was not told before."""

    def __init__(
        self,
        *,
        journal: Journal,
        explaining: Explaining,
        levels: Levels,
        live: Callable[[float], Awaitable[None]],
        tell: Callable[[Finding], None],
    ) -> None:
        self._explaining = explaining
        self._levels = levels
        self._live = live
        self._tell = tell
        self._news = asyncio.Event()
        self._busy = False
        self._looking = asyncio.Lock()
        self._told: dict[Key, None] = {}
        """The oldest first."""
        self._seen: set[Key] = set()
        """What was found when all had not come to rest; it is told if it is still there."""
        self._forget = journal.listen(self._hear)
        self._work = asyncio.ensure_future(self._go_on())

    async def finish(self) -> None:
        """Tell what is left, of all that the journal keeps, and end."""
        self._forget()
        async with self._looking:
            self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work
        story, found = await self._explaining.beside()
        self._announce(story, found, at_rest=True, over=True)

    async def look(self, *, at_rest: bool = True) -> bool:
        """Tell what is new; return whether something waits for the next look."""
        async with self._looking:
            story, found = await self._explaining.beside(NEWEST)
            return self._announce(story, found, at_rest=at_rest)

    def _hear(self, event: Event) -> None:
        if event.kind in _TELLING or (event.kind == "step" and event.values["step"] in _READING):
            self._busy = True
            self._news.set()

    async def _go_on(self) -> None:
        while True:
            await self._news.wait()
            at_rest = await self._rested()
            self._news.clear()
            began = monotonic()
            if await self.look(at_rest=at_rest):
                self._news.set()
            await self._live(_REST * (monotonic() - began))

    async def _rested(self) -> bool:
        for _ in range(_MOMENTS):
            self._busy = False
            await self._live(_MOMENT)
            if not self._busy:
                return True
        return False

    def _announce(
        self, story: Story, found: tuple[Finding, ...], *, at_rest: bool, over: bool = False
    ) -> bool:
        there = {
            _identity(story, one): one for one in found if self._levels.of(one) is not Level.OFF
        }
        early = set()
        for key, one in there.items():
            if key in self._told or not (over or _is_certain(story, one)):
                continue
            if at_rest or key in self._seen:
                self._told[key] = None
                self._tell(one)
            else:
                early.add(key)
        for key in tuple(self._told)[:-_KEPT]:
            del self._told[key]
        self._seen = early
        return bool(early)


def _is_certain(story: Story, finding: Finding) -> bool:
    if finding.subject not in _AT_THE_END:
        return True
    return all(story.lane(lane).ended is not None for lane in finding.containers)


def _identity(story: Story, finding: Finding) -> Key:
    """Return what stays the same of a finding while the story goes on and its beginning is lost."""
    entries = finding.entries if finding.subject not in _AT_THE_END else ()
    # Names of what is gone are forgotten with the events that told them.
    last = [replace(story.entries[n], number=0, after=(), object="") for n in entries[-1:]]
    return finding.subject, finding.containers, finding.paths[:1], *last

"""
What a World's journal tells, with the names of its objects: the story, and the findings.

Both are made anew whenever somebody asks; nothing is kept here. Who cannot wait on the event loop,
because others are served there meanwhile, has it done beside it.
"""

import asyncio
from collections.abc import Iterable

from modal_emulator.findings.book import Contents, Copy
from modal_emulator.findings.finding import Finding, Level
from modal_emulator.findings.levels import DEFAULTS, Levels
from modal_emulator.findings.search import search
from modal_emulator.findings.story import Story, story_of
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.journal import Event, Journal
from modal_emulator.schedule.leaks import Leaks
from modal_emulator.store.apps import Apps
from modal_emulator.store.names import Names
from modal_emulator.store.paths import parse
from modal_emulator.store.tree import Kind
from modal_emulator.store.volumes import Volumes

__all__ = ["Explaining"]

LARGEST = 1 << 20
"""Bytes of a file that is compared with another."""

Told = tuple[Story, tuple[Finding, ...]]


class Explaining:
    """Reads the journal, and looks into the volumes that it speaks of."""

    def __init__(
        self,
        *,
        journal: Journal,
        names: Names,
        apps: Apps,
        volumes: Volumes,
        leaks: Leaks,
        levels: Levels,
    ) -> None:
        self._journal = journal
        self._names = names
        self._apps = apps
        self._volumes = volumes
        self._leaks = leaks
        self._levels = levels

    def story(self) -> Story:
        """Return what happened so far."""
        events = self._journal.events()
        return story_of(events, self._titles(events))

    def findings(self) -> tuple[Finding, ...]:
        """Return what went wrong so far; what is off by itself only if it is switched on."""
        return self._wanted(search(self.story(), self._copy))

    async def beside(self, newest: int = 0) -> Told:
        """Return both, for so many newest events or all, found in a thread beside the loop."""
        loop, events = asyncio.get_running_loop(), self._journal.events()[-newest:]

        async def ask(volume_id: str, number: int, path: str) -> Copy | None:
            return self._copy(volume_id, number, path)

        def copy(volume_id: str, number: int, path: str) -> Copy | None:
            return asyncio.run_coroutine_threadsafe(ask(volume_id, number, path), loop).result()

        story, found = await asyncio.to_thread(_read, events, self._titles(events), copy)
        return story, self._wanted(found)

    def _wanted(self, found: Iterable[Finding]) -> tuple[Finding, ...]:
        levels = self._levels.by_subject
        return tuple(
            one for one in found if not levels[one.subject] is DEFAULTS[one.subject] is Level.OFF
        )

    def _titles(self, events: Iterable[Event]) -> dict[str, str]:
        names = dict(self._names.titles())
        for event in events:
            function_id = event.values.get("function_id")
            if isinstance(function_id, str) and function_id not in names:
                names[function_id] = self._apps.past(function_id).tag.removesuffix(".*")
        return names

    def _copy(self, volume_id: str, number: int, path: str) -> Copy | None:
        """Return what an old version holds, if it is kept; nothing follows links."""
        try:
            edition = self._volumes.edition(volume_id, number)
        except EmulatorError:  # the volume was deleted, or the version is not kept any more
            return None
        try:
            parts = parse(path)
            entry, place = edition.tree.get(parts), edition.find(parts)
            if entry is None or entry.kind is not Kind.FILE or place is None:
                return Copy()
            if entry.size > LARGEST:
                return Copy(entry.size, None, is_file=True)
            data = place.read_bytes()
            return Copy(entry.size, data, is_file=True, is_shown=not self._holds_secret(data))
        except EmulatorError:  # a name that no client could write
            return None
        finally:
            edition.close()

    def _holds_secret(self, data: bytes) -> bool:
        needles = self._leaks.needles
        return bool(needles) and bool(needles.search(data))


def _read(events: Iterable[Event], names: dict[str, str], contents: Contents) -> Told:
    story = story_of(events, names)
    return story, search(story, contents)

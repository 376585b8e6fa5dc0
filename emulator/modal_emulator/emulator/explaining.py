"""What a World's journal tells, with the names of its objects: the story, and the findings."""

from functools import partial

from modal_emulator.findings.book import Copy
from modal_emulator.findings.finding import Finding, Level
from modal_emulator.findings.levels import DEFAULTS
from modal_emulator.findings.search import search
from modal_emulator.findings.story import Story, story_of
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.store.paths import parse
from modal_emulator.store.tree import Kind
from modal_emulator.world import World

__all__ = ["findings", "story"]

LARGEST = 1 << 20
"""Bytes of a file that is compared with another."""


def story(world: World) -> Story:
    """Return what happened so far."""
    events = world.journal.events()
    names = dict(world.names.titles())
    for event in events:
        function_id = event.values.get("function_id")
        if isinstance(function_id, str) and function_id not in names:
            names[function_id] = world.apps.past(function_id).tag.removesuffix(".*")
    return story_of(events, names)


def findings(world: World) -> tuple[Finding, ...]:
    """Return what went wrong so far; what is off by itself only if it is switched on."""
    levels = world.settings.findings.by_subject
    return tuple(
        finding
        for finding in search(story(world), partial(_copy, world))
        if not levels[finding.subject] is DEFAULTS[finding.subject] is Level.OFF
    )


def _copy(world: World, volume_id: str, number: int, path: str) -> Copy | None:
    """Return what an old version holds, if it is kept; nothing follows links."""
    try:
        edition = world.volumes.edition(volume_id, number)
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
        return Copy(entry.size, data, is_file=True, is_shown=not _holds_secret(world, data))
    except EmulatorError:  # a name that no client could write
        return None
    finally:
        edition.close()


def _holds_secret(world: World, data: bytes) -> bool:
    needles = world.leaks.needles
    return bool(needles) and bool(needles.search(data))

"""What a World's journal tells, with the names of its objects: the story, and the findings."""

from modal_emulator.findings.finding import Finding
from modal_emulator.findings.search import search
from modal_emulator.findings.story import Story, story_of
from modal_emulator.world import World

__all__ = ["findings", "story"]


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
    """Return what went wrong so far, whatever the levels are."""
    return search(story(world))

"""The part of the service beside Modal's that is about findings."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from modal_emulator.findings.finding import Finding, Level
from modal_emulator.findings.story import Story
from modal_emulator.ground.instants import show_instant
from modal_emulator.world import World

__all__ = ["METHODS"]

Asked = Mapping[str, Any]  # what JSON can hold
Row = dict[str, Any]


async def findings_list(world: World, _asked: Asked) -> Row:
    """List what went wrong, as far as the journal goes back."""
    await world.leaks.looked()
    story, found = await world.explaining.beside()
    levels = world.settings.findings
    return {"findings": [_row(story, each) for each in found if levels.of(each) is not Level.OFF]}


def _row(story: Story, finding: Finding) -> Row:
    return {
        "at": show_instant(story.entries[finding.entries[-1]].at),
        "subject": finding.subject.value,
        "title": finding.title,
        "text": list(finding.text),
        "objects": list(finding.objects),
        "paths": list(finding.paths),
        "containers": list(finding.containers),
        "functions": list(finding.functions),
    }


METHODS: dict[str, Callable[[World, Asked], Awaitable[Row]]] = {"FindingsList": findings_list}

"""What faults did, as the journal tells it."""

from dataclasses import dataclass

from modal_emulator.ground.journal import Event, Journal
from modal_emulator.schedule.faults.plans import Occasion, Plan

__all__ = ["KIND", "Struck", "note", "struck"]

KIND = "fault"
"""Of the journal's events."""


@dataclass(frozen=True, slots=True)
class Struck:
    """One strike."""

    at: float
    """Seconds since 1970, of the emulator's clock."""
    fault: str
    """What happened: "error", "delay", "drop" and so on."""
    plan: str
    """The plan, as a user would write it."""
    name: str
    """The RPC or the kind of step that was struck; else "listing", "publishing", "download"."""
    moment: str
    container_id: str
    """Whose doing it was; empty for a client outside of containers."""
    function: str
    object_id: str
    """The volume, Dict, Queue or other object, if it is known."""
    path: str


def note(journal: Journal, plan: Plan, occasion: Occasion) -> None:
    """Write a strike into the journal."""
    journal.add(
        KIND,
        fault=str(plan).partition("(")[0],
        plan=str(plan),
        name=occasion.name or occasion.site.value,
        moment=occasion.moment.value,
        container_id=occasion.container_id,
        function=occasion.function,
        object_id=next(iter(occasion.objects.values()), ""),
        volume_id=occasion.objects.get("volume", ""),
        path=", ".join(occasion.paths),
    )


def struck(events: tuple[Event, ...]) -> tuple[Struck, ...]:
    """Return the strikes among these events of the journal."""
    return tuple(
        Struck(event.at, **{name: str(event.values[name]) for name in _NAMES})
        for event in events
        if event.kind == KIND
    )


_NAMES = ("fault", "plan", "name", "moment", "container_id", "function", "object_id", "path")

"""How listings are asked for in pages: newest first, each page older than the last one's end."""

from dataclasses import dataclass

from google.protobuf.message import Message

from modal_emulator.ground.clock import machine_time
from modal_emulator.world import World

__all__ = ["CLOCKS_APART", "Page", "page"]

CLOCKS_APART = 60.0
"""Seconds between the clocks of two machines, and of a request on its way."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a listing is wanted; None means no bound."""

    limit: int | None = None
    created_before: float | None = None


def page(world: World, request: Message) -> Page:
    """Return the page that a list request asks for; SDKs before 1.1 know none and want all."""
    if "pagination" not in request.DESCRIPTOR.fields_by_name or not request.HasField("pagination"):
        return Page()
    asked = getattr(request, "pagination")  # noqa: B009 (the field is not in every release)
    before = asked.created_before or None
    if before is not None and _is_now(world, before):
        before = None
    return Page(asked.max_objects or None, before)


def _is_now(world: World, instant: float) -> bool:
    """
    Say whether a client means its own present where ours is later.

    SDKs begin a listing at their own `now`, and go on at the instant of the last object they got.
    """
    here = machine_time()
    is_late = world.clock.now() > here + 1
    return is_late and abs(instant - here) < CLOCKS_APART and not world.names.made_at(instant)

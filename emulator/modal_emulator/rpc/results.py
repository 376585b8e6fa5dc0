"""Outcomes that the server itself gives to inputs."""

from modal_emulator.rpc.translator import Messages
from modal_emulator.schedule.calls import Outcome, Status
from modal_emulator.world import World

__all__ = ["terminated"]


def terminated(world: World) -> Outcome:
    """Return the outcome of an input that was cancelled, or whose app ended."""
    result = Messages(world.apps, world.volumes, world.web).terminated()
    return Outcome(Status.TERMINATED, result, created_at=world.clock.now())

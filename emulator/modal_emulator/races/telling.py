"""
Steps in words: what a test reads of a schedule.

The words of an action are also its name among all that can happen, so they are the same in every
run of a program.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.steps import Kind, Step
from modal_emulator.world import World

__all__ = ["Played", "action_of", "show"]


@dataclass(frozen=True, slots=True)
class Played:
    """One step of a schedule that was let happen."""

    actor: str
    action: str
    where: str = ""
    """The line of user code."""
    chosen: bool = True
    """Whether something else could have come instead."""


async def action_of(world: World, step: Step) -> str:
    """Return what the step does, and to what."""
    words = [step.kind.value]
    if step.kind is Kind.CALL:
        words.append(await _name(world, step.object_id))
    elif step.object_id and step.kind is not Kind.RESULT:
        words.append(repr(await _name(world, step.object_id)))
    if step.path:
        words.append(step.path)
    if step.to:
        words.append(f"to {step.to}")
    return " ".join(words)


async def _name(world: World, object_id: str) -> str:
    try:
        if object_id.startswith("fu-"):
            return world.apps.past(object_id).tag.removesuffix(".*")
        if object_id.startswith("vo-"):
            return world.volumes.get(object_id).name or object_id
        registry = world.dicts if object_id.startswith("di-") else world.queues
        return (await registry.get(object_id)).name or object_id
    except EmulatorError:
        return object_id


def show(played: Sequence[Played]) -> str:
    """Return the story as numbered lines: who, what, and from which line."""
    rows = [(str(number), each.actor, each.action) for number, each in enumerate(played, 1)]
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)] or [0] * 3
    return "\n".join(_line(row, widths, each.where) for row, each in zip(rows, played, strict=True))


def _line(row: Iterable[str], widths: Iterable[int], where: str) -> str:
    number, actor, action = (text.ljust(width) for text, width in zip(row, widths, strict=True))
    return f"  {number.rjust(len(number))}  {actor}  {action}  {where}".rstrip()

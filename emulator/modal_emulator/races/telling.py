"""
Steps in words: what a test reads of a schedule.

The words of an action are also its name among all that can happen, so they are the same in every
run of a program.
"""

import ast
import pickletools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modal_emulator.ground.steps import FILE_STEPS, Kind, Step
from modal_emulator.world import World

__all__ = ["QUIET", "Played", "action_of", "played", "show"]


QUIET = frozenset({Kind.INPUT, Kind.STOP, Kind.RESULT, Kind.CLOSE})
"""What says nothing that the steps around it do not say."""


KEYED = frozenset(
    {Kind.DICT_READ, Kind.DICT_WRITE, Kind.QUEUE_READ, Kind.QUEUE_PUT, Kind.QUEUE_GET}
)

_VALUES = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2"})
"""Of pickle's operations, those that are a value by themselves."""


@dataclass(frozen=True, slots=True)
class Played:
    """One thing that happened in a schedule."""

    actor: str
    action: str
    where: str = ""
    """The line of user code."""


def action_of(world: World, step: Step) -> str:
    """Return what the step does, and to what."""
    words = [step.kind.value]
    if step.kind is Kind.CALL:
        function = world.apps.past(step.object_id)
        words.append(function.tag.removesuffix(".*"))
    elif step.object_id and step.kind is not Kind.RESULT:
        words.append(repr(world.names.called(step.object_id) or step.object_id))
    if path := _path(step):
        words.append(path)
    if step.to:
        words.append(f"to {step.to}")
    return " ".join(words)


def _path(step: Step) -> str:
    """Return the path; for a Dict the key, for a Queue the partition, where they can be read."""
    if step.kind not in KEYED or not step.path:
        return step.path
    try:
        raw = ast.literal_eval(step.path)
        values = [arg for op, arg, _ in pickletools.genops(raw) if op.name in _VALUES]
    except (SyntaxError, ValueError):
        return "" if step.path == "b''" else step.path
    return repr(values[0]) if len(values) == 1 else step.path


def played(world: World, step: Step, actor: str, error: Exception | None) -> Played:
    """Return a step that is over."""
    action = action_of(world, step)
    if step.kind in FILE_STEPS:
        action += f" in version {step.version}"
    if error is not None:
        action += f", {_failed(error)}"
    return Played(actor, action, step.where[-1] if step.where else "")


def _failed(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "not there"
    why = error.strerror if isinstance(error, OSError) else ""
    return f"which fails: {why or error}"


def show(played: Sequence[Played]) -> str:
    """Return the story as numbered lines: who, what, and from which line."""
    rows = [(str(number), each.actor, each.action) for number, each in enumerate(played, 1)]
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)] or [0] * 3
    return "\n".join(_line(row, widths, each.where) for row, each in zip(rows, played, strict=True))


def _line(row: Iterable[str], widths: Iterable[int], where: str) -> str:
    number, actor, action = (text.ljust(width) for text, width in zip(row, widths, strict=True))
    return f"  {number.rjust(len(number))}  {actor}  {action}  {where}".rstrip()

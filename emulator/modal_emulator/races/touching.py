"""
What a step touches that others may touch as well, so that the order of the two may matter.

Where it is not known, more is said than is true: that costs schedules and hides nothing. What is
read as a whole (a volume by a reload, a Dict by `len`) is read as all of a fixed number of
*lanes*, of which each writer writes one; so two writers of different things stay independent.
A step that touches nothing is the actor's own affair.
"""

from typing import NamedTuple
from zlib import crc32

from modal_emulator.ground.steps import FILE_STEPS, Kind, Step
from modal_emulator.store.drafts import Heavy
from modal_emulator.store.layer import Change, telling
from modal_emulator.store.paths import Parts
from modal_emulator.store.tree import Kind as EntryKind
from modal_emulator.world import World

__all__ = ["NOTHING", "Touch", "life_of", "touched"]

_LANES = 32

COMMITS = frozenset({Kind.COMMIT, Kind.EXIT_COMMIT, Kind.BACKGROUND_COMMIT})


class Touch(NamedTuple):
    """Names of resources."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    def __or__(self, other: object) -> "Touch":
        """Return what both touch."""
        if not isinstance(other, Touch):
            return NotImplemented
        return Touch(self.reads | other.reads, self.writes | other.writes)


NOTHING = Touch()


async def touched(
    world: World, step: Step, actor: str, *, sees_views: bool = False, fresh: bool = False
) -> Touch:
    """
    Return what a step would touch now.

    With `sees_views`, background commits read what containers see; with `fresh`, each input gets a
    container of its own.
    """
    kind, about = step.kind, step.object_id
    if kind in COMMITS:
        touch = await _commit(world, step, actor)
        return touch | Touch(frozenset({_view(actor)})) if sees_views and touch.writes else touch
    if kind is Kind.RELOAD:
        changed = await _commit(world, step, actor)
        return Touch(_lanes(about)) | changed
    if kind is Kind.START:
        volumes = world.dispatcher.worker(step.container_id).pool.function.spec.volumes
        return Touch(frozenset().union(*(_lanes(use.volume_id) for use in volumes)))
    if kind in FILE_STEPS:
        return Touch(writes=frozenset({_view(actor)})) if sees_views else NOTHING
    if kind in (Kind.CALL, Kind.OUTPUT):
        return _served(world, step, fresh=fresh)
    return _keyed(step)


def _served(world: World, step: Step, *, fresh: bool) -> Touch:
    """Return what decides which container gets an input: the containers of the function."""
    if step.kind is Kind.CALL:
        pool = world.dispatcher.pool(step.object_id)
        if not pool.workers and not pool.backlog:
            return NOTHING  # there is no choice, whenever it comes
    else:
        pool = world.dispatcher.worker(step.container_id).pool
    if fresh and not pool.function.spec.max_containers:
        return NOTHING
    return Touch(writes=frozenset({f"{pool.function.function_id} containers"}))


def _keyed(step: Step) -> Touch:
    about, part = step.object_id, step.path
    parts = frozenset({_lane(about, part)}) if part and ", " not in part else _lanes(about)
    if step.kind is Kind.DICT_READ:
        return Touch(parts)
    if step.kind is Kind.QUEUE_READ:
        return Touch(parts)
    if step.kind in (Kind.DICT_WRITE, Kind.QUEUE_PUT, Kind.QUEUE_GET):
        return Touch(writes=parts)
    return NOTHING


async def _commit(world: World, step: Step, actor: str) -> Touch:
    """Return what a commit of what is pending touches: the files, and the line of versions."""
    volume = step.object_id
    try:
        changes = await world.commits.pending(step.container_id, volume)
    except Heavy:
        return Touch(writes=_lanes(volume))
    if not changes:
        return NOTHING
    told = telling(changes)
    writes = {_path(volume, change.parts) for change in told}
    writes.add(_lane(volume, actor))
    above = {_path(volume, c.parts[:depth]) for c in told for depth in range(len(c.parts))}
    # What is removed goes with all below it.
    names = {f"{volume} names"}
    if any(map(_takes_along, told)):
        return Touch(frozenset(above), frozenset(writes | names))
    return Touch(frozenset(above | names), frozenset(writes))


def _path(volume: str, parts: Parts) -> str:
    return f"{volume}/{'/'.join(map(str, parts))}"


def _takes_along(change: Change) -> bool:
    return change.entry is None or change.entry.kind is not EntryKind.FILE


def life_of(actor: str) -> str:
    """Name what ends when this actor is killed, or its step fails."""
    return f"life of {actor}"


def _view(actor: str) -> str:
    return f"view of {actor}"


def _lane(about: str, what: str) -> str:
    return f"{about} lane {crc32(what.encode()) % _LANES}"


def _lanes(about: str) -> frozenset[str]:
    return frozenset(f"{about} lane {lane}" for lane in range(_LANES))

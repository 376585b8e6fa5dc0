"""
What a World held when its test failed, in a few lines for a person.

Of each volume the newest versions with who made them, and of each container what it sees; names
of paths and functions, and nothing of what files, secrets or arguments hold.
"""

from collections.abc import Callable, Iterator, Sequence

from modal_emulator.ground.instants import show_instant
from modal_emulator.ground.virtual import Mode
from modal_emulator.store.history import Record
from modal_emulator.store.layer import Change, telling
from modal_emulator.store.paths import show
from modal_emulator.world import World

__all__ = ["describe", "named_volumes"]

NEWEST = 10
PATHS = 3
LONGEST = 60


def named_volumes(world: World) -> tuple[tuple[str, str, str], ...]:
    """Return environment, name and id of each volume that has a name, in order."""
    return tuple(
        sorted(
            (environment.name, volume.name, volume.volume_id)
            for environment in world.environments.list()
            for volume in world.volumes.list(environment.name)
        )
    )


def describe(world: World, newest: int | None = NEWEST) -> str:
    """Return lines on the clock, volumes, running containers and faults, or an empty string."""
    lines = list(_clock(world))
    default = world.environments.default.name
    for environment, name, volume_id in named_volumes(world):
        where = "" if environment == default else f" in environment {environment}"
        lines += _volume(world, f"{_plain(name)}{where}", volume_id, newest)
    if left := world.faults.left():
        lines.append(f"planned and never met: {', '.join(map(str, left))}")
    return world.leaks.mask("\n".join(lines))


def _clock(world: World) -> Iterator[str]:
    clock, how = world.clock, {Mode.FROZEN: "standing", Mode.OFFSET: "running"}
    if clock.mode is not Mode.REAL:
        runs = how.get(clock.mode, f"running {clock.rate:g} times as fast as the machine's")
        yield f"clock: {show_instant(clock.now())}, {runs}"


def _volume(world: World, title: str, volume_id: str, newest: int | None) -> Iterator[str]:
    records = world.volumes.history(volume_id).versions
    shown = records if newest is None else records[-newest:]
    yield f"volume {title}: {_number(len(records), 'version')}"
    rows: list[tuple[str, ...]] = [("version", "on", "via", "by", "paths")]
    rows += [_row(world, volume_id, record) for record in reversed(shown)]
    if shown:
        yield from _aligned(rows)
    if len(shown) < len(records):
        yield f"  and {_number(len(records) - len(shown), 'older version')}"
    for container_id, base in world.commits.seen(volume_id):
        who = _function(world, container_id)
        yield f"  {who} ({container_id}) runs and looks at version {base}"


def _row(world: World, volume_id: str, record: Record) -> tuple[str, ...]:
    try:
        changes = telling(world.volumes.changed(volume_id, record.number))
        paths = [_path(change, world.leaks.mask) for change in changes]
    except Exception:  # a version that is not kept; the table must not hide the failure
        paths = []
    listed = ", ".join(paths[:PATHS])
    if len(paths) > PATHS:
        listed += f" and {len(paths) - PATHS} more"
    by = record.by
    who = _plain(by.function) or "from outside"
    if by.container_id:
        who += f" ({by.container_id})"
    return (str(record.number), str(record.base), by.via, who, listed)


def _path(change: Change, mask: Callable[[str], str]) -> str:
    path = _plain(mask(show(change.parts)) or ".")[:LONGEST]
    return path if change.entry is not None else f"{path} (removed)"


def _function(world: World, container_id: str) -> str:
    for worker in world.dispatcher.workers():
        if worker.container_id == container_id:
            return _plain(worker.pool.function.tag.removesuffix(".*"))
    return "a container"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _plain(text: str) -> str:
    """Return text that no terminal takes for a command."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

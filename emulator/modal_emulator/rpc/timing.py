"""
The part of the service beside Modal's that is about time: the clock and the schedules.

Instants go as numbers in requests, and in ISO 8601 in replies. What moves the clock answers when
all that was due has settled, however long that takes; who leaves before ends the journey.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from typing import Any

from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.instants import show_instant
from modal_emulator.schedule.journey import Journey
from modal_emulator.schedule.runs import ScheduledRun, ScheduleRecord, told_run, told_schedule
from modal_emulator.schedule.schedules import Scheduled
from modal_emulator.world import World

__all__ = ["METHODS"]

Asked = Mapping[str, Any]  # what JSON can hold
Row = dict[str, Any]


async def clock_show(world: World, _asked: Asked) -> Row:
    """Say what time it is and how time runs."""
    clock = world.clock
    now = clock.now()
    return {
        "now": show_instant(now),
        "timestamp": now,
        "mode": clock.mode.value,
        "rate": clock.rate,
    }


async def clock_set(world: World, asked: Asked) -> Row:
    """Say that it is another time, and how time runs from there."""
    at = None if asked.get("at") is None else _number(asked, "at")
    await world.clock.landed()
    world.clock.set(at, _number(asked, "rate"))
    return await clock_show(world, asked)


async def clock_resume(world: World, asked: Asked) -> Row:
    """Follow the machine's time again."""
    await world.clock.landed()
    world.clock.resume()
    return await clock_show(world, asked)


async def clock_advance(world: World, asked: Asked) -> Row:
    """Let time pass."""
    seconds = _number(asked, "seconds")
    if seconds < 0:
        raise Invalid("time goes forward: a span is 0 or more")
    return await _go(world, lambda going: going.advance(seconds))


async def clock_move_to(world: World, asked: Asked) -> Row:
    """Let time pass until an instant."""
    at = _number(asked, "at")
    return await _go(world, lambda going: going.move_to(at))


async def clock_run_next(world: World, _asked: Asked) -> Row:
    """Let time pass until the next schedule is due."""
    return await _go(world, Journey.run_next)


async def cron_list(world: World, _asked: Asked) -> Row:
    """List the schedules."""
    return _schedules(world.schedules.list())


async def cron_next(world: World, asked: Asked) -> Row:
    """List the runs that come next."""
    return _schedules(world.schedules.coming(_count(asked, "count")))


async def cron_history(world: World, asked: Asked) -> Row:
    """List the runs that were, the oldest first."""
    name = str(asked.get("name", ""))
    runs = [told_run(firing) for firing in world.schedules.history()]
    wanted = [r for r in runs if name in ("", r.function, r.app, f"{r.app}/{r.function}")]
    newest = len(wanted) if asked.get("newest") is None else _count(asked, "newest")
    return _runs(wanted[max(0, len(wanted) - newest) :])


async def cron_run_now(world: World, asked: Asked) -> Row:
    """Run scheduled functions."""
    with closing(Journey(world.clock, world.schedules, world.journal)) as going:
        world.schedules.run_now(str(asked.get("name", "")))
        await world.settling.settled()
        return _runs(going.fired())


async def cron_pause(world: World, asked: Asked) -> Row:
    """Let schedules not fire."""
    return _schedules(world.schedules.pause(str(asked.get("name", ""))))


async def cron_resume(world: World, asked: Asked) -> Row:
    """Let schedules fire again."""
    return _schedules(world.schedules.resume(str(asked.get("name", ""))))


async def _go(world: World, move: Callable[[Journey], Awaitable[None]]) -> Row:
    with closing(Journey(world.clock, world.schedules, world.journal)) as going:
        await move(going)
        return {**await clock_show(world, {}), **_runs(going.fired(), "fired")}


def _schedules(found: Iterable[Scheduled]) -> Row:
    return {"schedules": [_plain(told_schedule(scheduled)) for scheduled in found]}


def _runs(runs: Iterable[ScheduledRun], name: str = "runs") -> Row:
    return {name: [_plain(run) for run in runs]}


def _plain(record: ScheduledRun | ScheduleRecord) -> Row:
    return asdict(record, dict_factory=_row)


def _row(items: list[tuple[str, Any]]) -> Row:
    return {
        name: show_instant(value.timestamp()) if isinstance(value, datetime) else value
        for name, value in items
    }


def _number(asked: Asked, name: str) -> float:
    value = asked.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise Invalid(f"{name} must be a number, not {value!r}")
    return float(value)


def _count(asked: Asked, name: str) -> int:
    count = _number(asked, name)
    if count < 0:
        raise Invalid(f"{name} must be 0 or more, not {count:g}")
    return int(count)


METHODS: dict[str, Callable[[World, Asked], Awaitable[Row]]] = {
    "ClockShow": clock_show,
    "ClockSet": clock_set,
    "ClockResume": clock_resume,
    "ClockAdvance": clock_advance,
    "ClockMoveTo": clock_move_to,
    "ClockRunNext": clock_run_next,
    "CronList": cron_list,
    "CronNext": cron_next,
    "CronHistory": cron_history,
    "CronRunNow": cron_run_now,
    "CronPause": cron_pause,
    "CronResume": cron_resume,
}

"""
Exploring a program: which orders of its steps are tried, and what is said of one that goes wrong.

Each schedule has a fresh World, the same ids and a clock that stands, so the same choices give the
same run. What happens in it is in `schedule`; how orders are picked, in `orders`.
"""

import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modal_emulator.emulator import Running, Settings
from modal_emulator.findings.finding import Level
from modal_emulator.ground.chance import Chance
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.instants import Beginning
from modal_emulator.orders.exploring import Explorer, RandomWalks, explore
from modal_emulator.orders.options import Chooser, Outcome
from modal_emulator.orders.priorities import Auto, Priorities
from modal_emulator.orders.reduction import Exhaustive
from modal_emulator.orders.shrinking import MissingHypothesis, Shrinker, own_database, search
from modal_emulator.orders.tokens import Token
from modal_emulator.orders.walks import Replay, Run, run_once
from modal_emulator.races.drawing import Draws
from modal_emulator.races.found import Exploration, RaceFound
from modal_emulator.races.programs import Phase, ProgramThread
from modal_emulator.races.schedule import Schedule
from modal_emulator.races.telling import show

__all__ = ["Explored", "explore_on", "play"]

INSTANT = 1_767_225_600.0
"""When each schedule begins, 2026-01-01: any instant, and always the same."""

_EXPLORERS: dict[str, Callable[[Chance, "Explored"], Explorer]] = {
    "auto": lambda chance, asked: Auto(chance, asked.depth, asked.schedules),
    "exhaustive": lambda chance, asked: Exhaustive(),
    "pct": lambda chance, asked: Priorities(chance, asked.depth),
    "random": lambda chance, asked: RandomWalks(chance),
}
"""By the modes that tests write."""

_SHRINKING = 100
"""At most so many runs to make a failing schedule short."""

_PARTING = 10.0
"""The machine's seconds that the program's thread may take to end after a schedule."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a schedule that goes wrong."""

    story: str
    seen: tuple[str, ...]
    """What went wrong with storage in it, a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What is explored, and how; the names are those that tests write."""

    program: Callable[[], Any]
    """What is run; what it raises is a failure."""
    invariant: Callable[..., Any] | None = None
    """
    Called after each schedule, when all containers have ended, with the emulator if it takes an
    argument; raises or returns False where something is wrong.
    """
    apps: Sequence[Any] = ()
    """Run around each schedule."""
    setup: Callable[..., Any] | None = None
    """Called before each schedule, while nothing is held yet."""
    schedules: int = 200
    """At most so many are run."""
    depth: int = 3
    """Of the bugs that a chance is stated for: so many steps must come in one order."""
    mode: str = "auto"
    """auto, exhaustive, pct or random; auto is exhaustive where that is small."""
    seed: int | None = None
    """Of all that is drawn; None draws one."""
    replay: str = ""
    """The token of the one schedule to run."""
    shrink: bool = True
    """Whether a failing schedule is made short and remembered, where Hypothesis is installed."""
    draws: Draws = field(default_factory=Draws)

    def __post_init__(self) -> None:
        if self.mode not in _EXPLORERS:
            raise Invalid(f"there is no mode {self.mode!r}; there is: {', '.join(_EXPLORERS)}")
        if self.schedules < 1 or self.depth < 1:
            raise Invalid("schedules and depth are at least 1")

    def of(self, program: Callable[[], Any]) -> "Explored":
        """Return the same of another program."""
        return replace(self, program=program)


def explore_on(running: Running, asked: Explored) -> Exploration:
    """
    Run schedules until one goes wrong, or enough were run.

    After one that goes wrong, its World is left as it is, so that it can be looked at.

    Raises:
        RaceFound: one goes wrong.
        Invalid: the token is none of this program.
    """
    __tracebackhide__ = True
    wishes = running.wishes
    asked = replace(
        asked,
        replay=wishes.replay or asked.replay,
        schedules=min(asked.schedules, wishes.schedules or asked.schedules),
    )
    before, seed = running.settings, running.ask(lambda world: world.ids.seed)
    try:
        done = _replay(running, asked) if asked.replay else _try_many(running, asked)
    except RaceFound as found:
        wishes.told.append(found.exploration.found)
        raise
    except BaseException:
        _leave(running, before, seed)
        raise
    wishes.told.append(str(done))
    _leave(running, before, seed)
    return done


def _leave(running: Running, settings: Settings, seed: int | str | None) -> None:
    running.sow(seed)
    running.reset(settings)


def _try_many(running: Running, asked: Explored) -> Exploration:
    __tracebackhide__ = True

    def program(chooser: Chooser) -> Outcome:
        return play(running, asked, chooser)

    explorer = _EXPLORERS[asked.mode](Chance(asked.seed), asked)
    shrinker = _shrinker(running, asked)
    if shrinker is None:
        report = explore(program, explorer, asked.schedules)
    else:
        report = search(program, explorer, asked.schedules, shrinker)
    found = report.failing is not None
    done = Exploration(
        report.schedules,
        report.exhaustive and not found,
        0.0 if found else report.chance or 0.0,
        report.depth or 0,
        report.max_steps,
        report.shrink_runs,
    )
    if report.failing is None:
        return done
    # Once more, so that what is left to look at is this one and none that came in shrinking it.
    again = run_once(program, Replay(report.failing.choices))
    failing = again if again.failed else report.failing
    raise _found(failing, done, running.wishes.test) from failing.outcome.failure


def _shrinker(running: Running, asked: Explored) -> Shrinker | None:
    """Return what makes failing schedules short; None where nothing is to or can."""
    if not asked.shrink:
        return None
    name = getattr(asked.program, "__qualname__", repr(type(asked.program)))
    count = len(running.wishes.told)
    key = f"{running.wishes.test} {count} {name} {asked.draws}".encode()
    try:
        # Who gives a seed wants the same runs each time, whatever failed before.
        database = own_database() if asked.seed is None else None
        return Shrinker(_SHRINKING, key=key, database=database)
    except MissingHypothesis:
        return None


def _replay(running: Running, asked: Explored) -> Exploration:
    __tracebackhide__ = True
    token = Token.read(asked.replay)
    run = run_once(lambda chooser: play(running, asked, chooser), Replay(token.choices))
    token.verify(run.steps)
    done = Exploration(1, False, steps=len(run.steps))
    if run.failed:
        raise _found(run, done, running.wishes.test) from run.outcome.failure
    return done


def _found(run: Run, done: Exploration, test: str) -> RaceFound:
    told = run.outcome.story
    assert isinstance(told, Told)
    failure, token, story = run.outcome.failure, str(Token.of(run.choices, run.steps)), told.story
    seen = "".join(f"\n{line}" for line in told.seen)
    text = (
        f"{type(failure).__name__}: {failure}\n\n{story}\n{seen}\n"
        f"{done.found}; this one again:\n  pytest {shlex.quote(test)} --modal-replay={token}"
    )
    return RaceFound(text, story, token, done)


def play(running: Running, asked: Explored, chooser: Chooser) -> Outcome:
    """Run the program once, in a fresh World, and see what came of it."""
    running.reset(_settings(running))
    running.sow("explore")
    world = running.ask(lambda world: world)

    def stir() -> None:
        running.tell(world.settling.changed)

    program = ProgramThread(asked.program, asked.apps, asked.setup, stir)
    schedule = Schedule(world, program, chooser, asked.draws)
    failure: BaseException | None = None
    program.start()
    try:
        running.run(schedule.play())
    except AssertionError as error:
        failure = error
    finally:
        if program.phase is not Phase.OVER:
            running.run(schedule.give_up())
        program.part(_PARTING)
    if program.broken is not None:
        raise program.broken
    failure = failure or program.failure
    if failure is None and asked.invariant is not None:
        failure = _violation(asked.invariant, running)
    failure = failure or _serious(running)
    return Outcome(failure, _tell(running, schedule, failure))


def _tell(running: Running, schedule: Schedule, failure: BaseException | None) -> Told | None:
    """Tell of a schedule that goes wrong."""
    if failure is None:
        return None
    seen = dict.fromkeys(f"{each.subject.value}: {each.title}" for each in running.findings())
    return Told(show(schedule.played), tuple(seen))


def _serious(running: Running) -> BaseException | None:
    """Return the first finding that is to fail a test, if there is one."""
    levels = running.settings.findings
    if not levels.may_fail:
        return None
    failing = (each for each in running.findings() if levels.of(each) is Level.FAIL)
    first = next(failing, None)
    return None if first is None else AssertionError(f"{first.subject.value}: {first.title}")


def _settings(running: Running) -> Settings:
    now = running.settings
    at = INSTANT if now.clock is None or now.clock.at is None else now.clock.at
    return replace(now, background_commit_interval=0.0, clock=Beginning(at, 0.0))


def _violation(invariant: Callable[..., Any], running: Running) -> BaseException | None:
    try:
        takes = inspect.signature(invariant).parameters
        held = invariant(running) if takes else invariant()
    except Exception as error:
        return error
    if held is False:
        return AssertionError("the invariant does not hold")
    return None

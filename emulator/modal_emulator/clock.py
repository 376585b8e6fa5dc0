"""
A running emulator's clock, in the hand of a test: what time it is, how it runs, and moving it.

For any thread but the emulator's own. To set the clock (`freeze`, `run`, `resume`) is to say that
it is another time: nothing happens. To move it (`advance`, `move_to`, `run_next`, `run_until`) is
to let time pass: what is due on the way happens, each at its own instant, and is over before the
call returns. Without a time zone, instants are in UTC.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from modal_emulator.ground.errors import Conflict, Invalid
from modal_emulator.ground.instants import (
    LATEST,
    Beginning,
    Instant,
    Span,
    aware,
    parse_instant,
    parse_span,
    show_instant,
)
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.runtime.inline.here import here
from modal_emulator.schedule.journey import Journey
from modal_emulator.schedule.runs import ScheduledRun
from modal_emulator.world import World

__all__ = ["ClockHandle"]

T = TypeVar("T")
Runs = tuple[ScheduledRun, ...]

MONTH = timedelta(days=31)


class ClockHandle:
    """One emulator's clock."""

    def __init__(
        self, run: Callable[[Coroutine[Any, Any, Any]], Any], world: Callable[[], World]
    ) -> None:
        self._run = run
        self._world = world

    def __repr__(self) -> str:
        """Say what time it is."""
        return f"<clock {self.mode} at {show_instant(self.timestamp())}>"

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        return aware(self.timestamp())

    def timestamp(self) -> float:
        """Return the present instant, seconds since 1970."""
        return self._ask(lambda world: world.clock.now())

    @property
    def mode(self) -> str:
        """How it runs: `real`, `frozen`, `offset` or `accelerated`."""
        return self._ask(lambda world: world.clock.mode.value)

    @property
    def rate(self) -> float:
        """Its seconds per second of the machine; 0 while it stands."""
        return self._ask(lambda world: world.clock.rate)

    def freeze(self, at: Instant | None = None) -> None:
        """Say that it is `at`, by default what it is, and let the clock stand."""
        self._set(at, 0.0)

    def run(self, at: Instant | None = None, rate: float = 1.0) -> None:
        """Say that it is `at`, by default what it is, and let time run, `rate` times as fast."""
        if not rate > 0:
            raise Invalid(f"{rate!r} is no rate at which time runs; freeze() lets it stand")
        self._set(at, rate)

    def resume(self) -> None:
        """Follow the machine's time again."""
        _outside()
        self._do(VirtualClock.resume)

    def advance(self, span: Span | None = None, **parts: float) -> Runs:
        """
        Let time pass: `advance("1h30m")`, `advance(timedelta(days=1))` or `advance(days=1)`.

        Returns the runs of schedules that fired on the way, the first one first.

        Raises:
            Conflict: something does not come to rest; the text names it.
        """
        if (span is None) is (not parts):
            raise Invalid("say how much time is to pass: advance('1h30m') or advance(hours=1.5)")
        try:
            seconds = parse_span(timedelta(**parts) if span is None else span)
        except (TypeError, OverflowError) as error:
            raise Invalid(f"{parts} is no span: {error}") from None
        return self._go(lambda going: going.advance(seconds))

    def move_to(self, at: Instant) -> Runs:
        """
        Let time pass until an instant; see `advance`.

        Raises:
            Invalid: it lies in the past.
        """
        instant = parse_instant(at)
        return self._go(lambda going: going.move_to(instant))

    def run_next(self) -> Runs:
        """
        Let time pass until the next schedule is due; see `advance`.

        Raises:
            Conflict: none is.
        """
        return self._go(Journey.run_next)

    def run_until(self, goal: Callable[[], object] | Instant, *, limit: Span = MONTH) -> Runs:
        """
        Let time pass until an instant, or until a function says so; see `advance`.

        The function is asked now, and each time that something has happened. It is called on the
        thread of the caller, so it may use the SDK.

        Raises:
            Conflict: the function did not say so within the limit.
        """
        if not callable(goal):
            return self.move_to(goal)
        _outside()
        end = min(self.timestamp() + parse_span(limit), LATEST)
        going = self._ask(_journey)
        try:
            more = True
            while not goal():
                if not more:
                    raise Conflict(f"it did not come true until {show_instant(end)}: {goal!r}")
                more = self._run(going.step(end))
            return self._ask(lambda _: going.fired())
        finally:
            self._ask(lambda _: going.close())

    @contextmanager
    def autojump(self, until: Instant | None = None) -> Iterator[None]:
        """
        For the length of the block, let the clock go on by itself whenever all is at rest.

        It stands otherwise, and goes no further than `until`.
        """
        end = LATEST if until is None else parse_instant(until)
        self.freeze()
        self._ask(lambda world: world.settling.jump(end))
        try:
            yield
        finally:
            self._run(self._stay())

    async def _stay(self) -> None:
        world = self._world()
        world.settling.jump(None)
        await world.clock.travel(lambda now: now)  # after the jump that may be under way

    def _set(self, at: Instant | None, rate: float) -> None:
        _outside()
        beginning = Beginning(None if at is None else parse_instant(at), rate)
        self._do(lambda clock: clock.set(beginning.at, beginning.rate))

    def _do(self, act: Callable[[VirtualClock], None]) -> None:
        async def done() -> None:
            clock = self._world().clock
            await clock.landed()
            act(clock)

        self._run(done())

    def _go(self, move: Callable[[Journey], Coroutine[Any, Any, None]]) -> Runs:
        _outside()

        async def go() -> Runs:
            with closing(_journey(self._world())) as going:
                await move(going)
                return going.fired()

        runs: Runs = self._run(go())
        return runs

    def _ask(self, question: Callable[[World], T]) -> T:
        async def asked() -> T:
            return question(self._world())

        answer: T = self._run(asked())
        return answer


def _journey(world: World) -> Journey:
    return Journey(world.clock, world.schedules, world.journal)


def _outside() -> None:
    container = here()
    if container is not None:
        raise Conflict(
            f"container {container.container_id} cannot move the clock: time would wait for it, "
            "and it for time. Move the clock from the test"
        )

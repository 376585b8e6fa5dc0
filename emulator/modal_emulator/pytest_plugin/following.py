"""
A test's own libraries of time, and the emulator's clock.

Who freezes the time of a test means the emulator's too. To enter sets its clock, to leave puts it
back to how it ran before; a step forward is *travelled*, so what falls due on the way happens, and
is over, before the test goes on. And since the emulator may go on by itself, what such a library
shows is what the clock says. The rooms `freezing` and `travelling` know a library each.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from modal_emulator.ground.clock import monotonic
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.pieces import Piece
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.runtime.inline.here import here

__all__ = ["Before", "Stack", "Timekeeper", "stopping"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Before:
    """How the clock ran."""

    piece: Piece | None
    rate: float


class Timekeeper:
    """A test's hand on the clock, from the test's thread."""

    def __init__(
        self,
        run: Callable[[Coroutine[Any, Any, None]], None],
        clock: VirtualClock,
    ) -> None:
        """`run` does something on the emulator's loop and waits for it."""
        self._run = run
        self._clock = clock

    def now(self) -> float:
        """Return the emulator's instant; from any thread."""
        return self._clock.now()

    def take(self, at: float, rate: float) -> Before:
        """
        Set the clock, and return how it ran before.

        Raises:
            Invalid: code of a container asks.
        """
        clock = self._clock
        before = Before(clock.piece, clock.rate)
        self._do(lambda: clock.set(at, rate))
        return before

    def give_back(self, before: Before) -> None:
        """Let the clock run as it did before."""
        clock, piece = self._clock, before.piece
        if piece is None:
            self._do(clock.resume)
        else:
            self._do(lambda: clock.set(piece.at(monotonic()), before.rate))

    def move(self, to: float, rate: float | None = None) -> None:
        """Travel to an instant, set one that is past already; from there at this rate."""
        clock = self._clock

        async def moved() -> None:
            await clock.landed()
            if to < clock.now():
                clock.set(to, clock.rate)
            else:
                await clock.travel(to)
            if rate not in (None, clock.rate):
                clock.set(None, rate)

        _refuse_containers()
        self._run(moved())

    def _do(self, act: Callable[[], None]) -> None:
        async def done() -> None:
            await self._clock.landed()
            act()

        _refuse_containers()
        self._run(done())


class Stack:
    """What a library shows, the innermost last, and how the clock ran before each."""

    def __init__(self, keeper: Timekeeper) -> None:
        self.keeper = keeper
        self._shown: list[tuple[object, Before]] = []
        self._is_moving = False

    def is_followed(self, shown: object) -> bool:
        """Say whether the emulator goes with this one: the innermost that it knows."""
        return bool(self._shown) and self._shown[-1][0] is shown

    def enter(self, at: float, rate: float, start: Callable[[], T]) -> T:
        """Set the clock, and have the library show it."""
        before = self.keeper.take(at, rate)
        try:
            shown = start()
        except BaseException:
            self.keeper.give_back(before)
            raise
        self._shown.append((shown, before))
        return shown

    def leave(self, stop: Callable[[], T]) -> T:
        """Have the library stop, and put the clock back."""
        result = stop()
        if self._shown:
            _, before = self._shown.pop()
            self.keeper.give_back(before)
        return result

    def move(
        self,
        shown: object,
        find: Callable[[], float],
        rate: Callable[[], float | None] = lambda: None,
    ) -> bool:
        """
        Travel to where a library wants to go; it may be on its way there already.

        Returns False, and does nothing, for one that is not followed, or moves itself in steps.
        """
        if self._is_moving or not self.is_followed(shown):
            return False
        self._is_moving = True
        try:
            to = find()
            self.keeper.move(to, rate())
        finally:
            self._is_moving = False
        return True


def stopping(stack: Stack, original: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what ends a library's freezing, so that the clock is put back after it."""

    @wraps(original)
    def stop(self: Any) -> Any:
        return stack.leave(lambda: original(self))

    return stop


def _refuse_containers() -> None:
    container = here()
    if container is not None:
        raise Invalid(
            f"container {container.container_id} cannot set the time: it is the emulator's, "
            "and the same for the test and all containers. Move it from the test"
        )

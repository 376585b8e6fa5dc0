"""
The clock that tests own: it stands, runs, runs faster, or is moved.

It never touches the machine's time or asyncio's. Whoever waits on it is kept in order of instants;
while it runs, one timer of asyncio's stands for the earliest of them.

To *travel* is to let time pass at once: each waiter is woken at its own instant, in order, and
what it sets off is over before the next one's turn comes. To *set* is to say that it is another
time now: nothing passes, spans keep what is left of them, and who follows instants is told.
"""

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable
from enum import Enum

from modal_emulator.ground.clock import (
    Timer,
    breathe,
    coarse_ns,
    machine_time,
    machine_time_ns,
    monotonic,
)
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.instants import LATEST, show_instant
from modal_emulator.ground.pieces import History, Piece

__all__ = ["LATEST", "Mode", "VirtualClock"]

_LOOK = 60.0
"""While the clock follows the machine's time, which somebody may set, look at it this often."""


class Mode(Enum):
    """How the clock runs."""

    REAL = "real"
    FROZEN = "frozen"
    OFFSET = "offset"
    ACCELERATED = "accelerated"


class VirtualClock:
    """One emulator's clock; it belongs to one event loop."""

    def __init__(self) -> None:
        self._piece: Piece | None = None
        self._rate = 1.0
        self._waiters: list[_Waiter] = []
        self._count = 0
        self._gone = 0
        self._armed: asyncio.TimerHandle | None = None
        self._traveller: asyncio.Task[object] | None = None
        self._lock: asyncio.Lock | None = None
        self._jumps = 0
        self._lived, self._lived_at = 0.0, monotonic()
        self._listeners: list[Callable[[], None]] = []
        self._setters: list[Callable[[], None]] = []
        self._settled: Callable[[], Awaitable[None]] = breathe
        self.history = History()

    def now(self) -> float:
        """Return the present instant, seconds since 1970, UTC."""
        piece = self._piece
        return machine_time() if piece is None else piece.at(monotonic())

    @property
    def mode(self) -> Mode:
        """How the clock runs when nobody travels."""
        if self._piece is None and self._rate == 1:
            return Mode.REAL
        if self._rate == 0:
            return Mode.FROZEN
        return Mode.OFFSET if self._rate == 1 else Mode.ACCELERATED

    @property
    def rate(self) -> float:
        """Virtual seconds per second of the machine when nobody travels."""
        return self._rate

    @property
    def piece(self) -> Piece | None:
        """How the clock runs at this moment; None is the machine's time."""
        return self._piece

    @property
    def travelling(self) -> bool:
        """Whether somebody is moving it."""
        return self._traveller is not None

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of this clock."""
        await self._wait(self.now() + seconds, is_span=True)

    async def sleep_until(self, at: float) -> None:
        """Return when the clock has reached an instant."""
        await self._wait(at, is_span=False)

    def after(self, seconds: float, then: Callable[[], None]) -> Timer:
        """Call `then` on the loop after that many seconds of this clock."""
        return self._add(_Waiter(self, self.now() + seconds, True, then))

    def at(self, instant: float, then: Callable[[], None]) -> Timer:
        """Call `then` on the loop when this clock has reached an instant."""
        return self._add(_Waiter(self, instant, False, then))

    def lived(self) -> float:
        """Return the seconds that have passed for clients; see `Clock`."""
        now = monotonic()
        rate = 1.0 if self._piece is None else min(1.0, self._piece.rate)
        self._lived += (now - self._lived_at) * rate
        self._lived_at = now
        return self._lived

    async def live(self, seconds: float) -> None:
        """Wait on asyncio's loop."""
        await asyncio.sleep(seconds)

    def next_due(self) -> float | None:
        """Return the instant at which the next waiter wakes."""
        self._drop_cancelled()
        return self._waiters[0].due if self._waiters else None

    def stamp_to_virtual(self, stamp_ns: int) -> int:
        """Read what the machine's kernel stamped as the instant of this clock, nanoseconds."""
        # Kernels since 6.13 stamp by a finer clock than the coarse one where somebody looked.
        return self.history.virtual_ns(stamp_ns, machine_time_ns())

    def stamps(self) -> Callable[[int], int] | None:
        """Return what reads stamps, if the clock ever left the machine's time."""
        return self.stamp_to_virtual if self.history else None

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever the clock runs on differently; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def on_set(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever it is said to be another time; the answer ends that."""
        self._setters.append(listener)
        return lambda: self._setters.remove(listener)

    def settle_with(self, settled: Callable[[], Awaitable[None]]) -> None:
        """Have travellers wait for this after each waiter that they wake."""
        self._settled = settled

    def set(self, at: float | None = None, rate: float = 0.0) -> None:
        """
        Say that it is `at` now (None: what it is), and how fast time runs from here.

        Raises:
            Invalid: the instant is not between 1970 and the year 9999, the rate is no rate, or
                somebody travels.
        """
        at = self.now() if at is None else at
        if not 0 <= at <= LATEST:
            raise Invalid(f"{at!r} is no instant between the years 1970 and 9999")
        if not (rate >= 0 and math.isfinite(rate)):
            raise Invalid(f"{rate!r} is no rate: 0 stands, 1 runs, more runs faster")
        self._set(at, Piece(monotonic(), at, rate), rate)

    def resume(self) -> None:
        """
        Follow the machine's time again.

        Raises:
            Invalid: somebody travels.
        """
        self._set(machine_time(), None, 1.0)

    async def travel(
        self,
        to: float | Callable[[float], float],
        until: Callable[[], bool] | None = None,
    ) -> None:
        """
        Let time pass until an instant, or until `until` says so after something has happened.

        The instant may be given by the present one: what that is, is known when one's turn comes.

        Raises:
            Invalid: the instant lies in the past, or beyond the year 9999; or who asks was
                itself woken by somebody who travels.
        """
        if self._traveller is asyncio.current_task():
            raise Invalid("the clock is being moved by the one who wants to move it")
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            now = self.now()
            goal = _goal(now, to(now) if callable(to) else to)
            was_real = self._piece is None
            self._traveller = asyncio.current_task()
            try:
                self._run(Piece(monotonic(), now, 0.0))
                await self._settled()
                await self._pass(goal, until)
            finally:
                self._traveller = None
                here = self.now()
                real = was_real and here <= machine_time()
                self._run(None if real else Piece(monotonic(), here, self._rate))
                self._arm()

    async def jump(self, to: float) -> None:
        """
        Let the next waiter wake of the clock's own accord, at this instant at the latest.

        Raises:
            Invalid: as of `travel`.
        """
        self._jumps += 1
        try:
            await self.travel(lambda now: max(now, to), lambda: True)
        finally:
            self._jumps -= 1

    async def landed(self) -> None:
        """Return when no jump is under way; it ends by itself, and who sets the clock waits."""
        while self._jumps and self._traveller is not None and self._lock is not None:
            async with self._lock:
                pass

    async def halt(self) -> None:
        """End the journey that is under way; without effect when nobody travels."""
        while (traveller := self._traveller) is not None:
            traveller.cancel()
            await asyncio.wait((traveller,))

    async def _pass(self, to: float, until: Callable[[], bool] | None) -> None:
        while (due := self.next_due()) is not None and due <= to:
            waiter = heapq.heappop(self._waiters)
            self._stand(due)
            waiter.wake()
            await self._settled()
            if until is not None and until():
                return
        self._stand(to)
        await self._settled()

    def _stand(self, at: float) -> None:
        if at > self.now():
            self._run(Piece(monotonic(), at, 0.0))

    def _run(self, piece: Piece | None) -> None:
        self.lived()
        self._piece = piece
        self.history.add(coarse_ns(), piece)
        for listener in tuple(self._listeners):
            listener()

    def _set(self, at: float, piece: Piece | None, rate: float) -> None:
        if self._traveller is not None:
            raise Invalid("the clock cannot be set while it is being moved")
        moved = at - self.now()
        for waiter in self._waiters:
            if waiter.is_span:
                waiter.due += moved
        heapq.heapify(self._waiters)
        self._rate = rate
        self._run(piece)
        for setter in tuple(self._setters):
            setter()
        self._arm()

    async def _wait(self, at: float, *, is_span: bool) -> None:
        if at <= self.now() and self._traveller is None:
            return await breathe()  # else it has its turn when this instant has settled
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        waiter = self._add(_Waiter(self, at, is_span, wake))
        try:
            return await woken
        finally:
            waiter.cancel()

    def _add(self, waiter: "_Waiter") -> "_Waiter":
        self._count += 1
        if self._gone > 64 and self._gone > len(self._waiters) // 2:
            self._waiters = [w for w in self._waiters if w.then is not None]
            heapq.heapify(self._waiters)
            self._gone = 0
        heapq.heappush(self._waiters, waiter)
        if self._waiters[0] is waiter:
            self._arm()
        return waiter

    def _drop_cancelled(self) -> None:
        while self._waiters and self._waiters[0].then is None:
            heapq.heappop(self._waiters)
            self._gone -= 1

    def _arm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        due = self.next_due()
        if due is None or self._traveller is not None:
            return
        rate = 1.0 if self._piece is None else self._piece.rate
        if due <= self.now():
            self._armed = asyncio.get_running_loop().call_later(0, self._ring)
        elif rate > 0:
            left = min((due - self.now()) / rate, _LOOK)
            self._armed = asyncio.get_running_loop().call_later(left, self._ring)

    def _ring(self) -> None:
        self._armed = None
        now = self.now()
        while (due := self.next_due()) is not None and due <= now:
            heapq.heappop(self._waiters).wake()
        self._arm()


def _goal(now: float, to: float) -> float:
    if to > LATEST:
        raise Invalid("the clock cannot go beyond the year 9999")
    if to < now:
        here, there = show_instant(now), show_instant(to)
        raise Invalid(f"time goes forward: it is {here}, and {there} is before that")
    return to


class _Waiter:
    """Somebody who is to be woken."""

    __slots__ = ("clock", "due", "is_span", "order", "then")

    def __init__(
        self, clock: VirtualClock, due: float, is_span: bool, then: Callable[[], None]
    ) -> None:
        self.clock = clock
        self.due = due
        self.order = clock._count
        self.is_span = is_span
        self.then: Callable[[], None] | None = then

    def __lt__(self, other: "_Waiter") -> bool:
        return (self.due, self.order) < (other.due, other.order)

    def cancel(self) -> None:
        if self.then is not None:
            self.then = None
            self.clock._gone += 1

    def wake(self) -> None:
        then, self.then = self.then, None
        if then is not None:
            then()

"""
The plans of one World: which there are, whose turn it is, and what is left of them.

Plans are used up in the order in which they were made. Whoever is about to do a thing asks here
first; what is to be done about a strike is `striking`'s, or theirs. Beside the plans there is one
standing rule, a rate of listings.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Exhausted, Invalid
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.faults.planned import Planned
from modal_emulator.schedule.faults.plans import Delay, Fail, Occasion, Plan, Site, Skew
from modal_emulator.schedule.faults.struck import note
from modal_emulator.schedule.faults.texts import RATE_LIMITED
from modal_emulator.store.history import Committer

__all__ = ["Faults"]


class Faults:
    """The plans, and the rate of listings."""

    def __init__(
        self,
        named: Callable[[str], str],
        clock: Clock,
        journal: Journal,
        ids: Ids,
        listings_per_second: float | None = None,
    ) -> None:
        """
        Begin without plans; `named` returns the name behind an id.

        Raises:
            Invalid: the rate is not above zero.
        """
        if listings_per_second is not None and not listings_per_second > 0:
            raise Invalid(f"listings_per_second must be above 0, not {listings_per_second}")
        self._named = named
        self._clock = clock
        self._journal = journal
        self._ids = ids
        self._standing: list[_Standing] = []
        self._on_change: list[Callable[[], None]] = []
        self._rate = listings_per_second
        self._allowance, self._since = max(1.0, listings_per_second or 0.0), clock.now()
        self.at_rpcs = False
        """Whether any plan strikes RPCs; all that they are asked while there is none."""

    # ---------------------------------------------------------------- which there are

    def add(self, plan: Plan, *, expected: bool = True) -> Callable[[], None]:
        """
        Let a fault happen as planned; the answer takes back what is left of it.

        One that is not `expected` is no matter if it is never met.

        Raises:
            Invalid: it makes no sense.
        """
        if plan.times is not None and plan.times < 1:
            raise Invalid(f"{str(plan).partition('(')[0]} cannot happen {plan.times} times")
        if not 0 < plan.probability <= 1:
            raise Invalid(f"a probability is above 0 and at most 1, not {plan.probability:g}")
        if plan.after < 0 or plan.every < 1:
            raise Invalid("after is 0 or more, and every is 1 or more")
        standing = _Standing(plan, expected)
        self._standing.append(standing)
        self._changed()

        def take_back() -> None:
            if standing in self._standing:
                self._standing.remove(standing)
                self._changed()

        return take_back

    def clear(self) -> None:
        """Forget all plans, be they met or not."""
        self._standing.clear()
        self._changed()

    def seed(self) -> int:
        """Return a seed for a plan that has none of its own."""
        return self._ids.number("faults", 1_000_000)

    def plans(self) -> tuple[Plan, ...]:
        """Return what may happen still, with how often."""
        return tuple(standing.left for standing in self._standing)

    def left(self) -> tuple[Plan, ...]:
        """Return what has not happened, or not so often; without the faults that had the chance."""
        return tuple(standing.left for standing in self._standing if not standing.is_met)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever plans come or go."""
        self._on_change.append(listener)

    def has(self, site: Site) -> bool:
        """Say whether any plan strikes there."""
        return any(standing.plan.where.site is site for standing in self._standing)

    def wants(self, occasion: Occasion) -> bool:
        """Say whether a plan means this occasion; it is not counted."""
        return any(s.plan.where.means(occasion, self._named) for s in self._standing)

    # ---------------------------------------------------------------- whose turn it is

    def meet(self, occasion: Occasion) -> tuple[Plan, ...]:
        """
        Count an occasion and return the faults that strike now, in their order.

        Delays add up; the first of any other kind is the last, and later plans wait.
        """
        met = []
        for standing in tuple(self._standing):
            if not standing.plan.where.means(occasion, self._named):
                continue
            if not standing.strikes(occasion.who):
                continue
            if standing.is_over:
                self._standing.remove(standing)
            note(self._journal, standing.plan, occasion)
            met.append(standing.plan)
            if not isinstance(standing.plan.effect, Delay):
                break
        if met:
            self._changed()
        return tuple(met)

    def strike(self, site: Site, volume_id: str, name: str = "") -> Plan | None:
        """Return what strikes a volume at a place where things only ever fail, and count it."""
        return self._last(Occasion(site, name, objects={"volume": volume_id} if volume_id else {}))

    def before_listing(self, volume_id: str) -> None:
        """
        Count a listing.

        Raises:
            Exhausted: the rate is exceeded.
            Planned: a plan says so.
        """
        _fail(self.strike(Site.LISTING, volume_id))
        if not self._admits():
            raise Exhausted(RATE_LIMITED)

    def before_commit(
        self, volume_id: str, by: Committer | None = None, paths: Iterable[str] = ()
    ) -> None:
        """
        Let a container's commit that has something to say pass; `paths` are what it changes.

        Raises:
            Planned: it fails; what was to be committed is pending still.
        """
        if not self._standing:
            return
        _fail(
            self._last(
                Occasion(
                    Site.PUBLISHING,
                    container_id=by.container_id if by is not None else "",
                    function=by.function.removesuffix(".*") if by is not None else "",
                    objects={"volume": volume_id},
                    paths=tuple(paths),
                )
            )
        )

    def skew(self, container_id: str, function: str) -> float:
        """Return how many seconds the clock of a container that starts is to be ahead."""
        plan = self._last(Occasion(Site.CLOCK, container_id=container_id, function=function))
        return plan.effect.seconds if plan and isinstance(plan.effect, Skew) else 0.0

    def _last(self, occasion: Occasion) -> Plan | None:
        met = self.meet(occasion) if self._standing else ()
        return met[-1] if met else None

    def _admits(self) -> bool:
        """Take one from the allowance, which grows to a second's worth [guess]."""
        if self._rate is None:
            return True
        now = self._clock.now()
        grown = self._allowance + (now - self._since) * self._rate
        self._allowance, self._since = min(max(1.0, self._rate), grown), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _changed(self) -> None:
        self.at_rpcs = self.has(Site.RPC)
        for listener in self._on_change:
            listener()


class _Standing:
    """A plan, and what became of it so far."""

    def __init__(self, plan: Plan, expected: bool) -> None:
        self.plan = plan
        self._expected = expected
        self._seen = 0
        self._chances: Counter[str] = Counter()
        self._struck = 0

    @property
    def left(self) -> Plan:
        """The plan with how often it is to strike still."""
        times = self.plan.times
        return self.plan if times is None else replace(self.plan, times=times - self._struck)

    @property
    def is_over(self) -> bool:
        return self.left.times == 0

    @property
    def is_met(self) -> bool:
        """Whether it did what was wanted of it; what is left to chance only has to have it."""
        if not self._expected:
            return True
        if self.plan.probability < 1:
            return bool(self._chances)
        return self.plan.times is None and self._struck > 0

    def strikes(self, who: str) -> bool:
        """Count an occasion, and say whether it is struck."""
        self._seen += 1
        number = self._seen - self.plan.after
        if number < 1 or number % self.plan.every:
            return False
        if self.plan.probability < 1 and not self._is_drawn(who):
            return False
        self._struck += 1
        return True

    def _is_drawn(self, who: str) -> bool:
        # Each client's and each function's occasions have draws of their own, so that what one of
        # them meets does not hang on how they take turns.
        number = self._chances[who]
        self._chances[who] += 1
        digest = hashlib.sha256(f"{self.plan.seed}/{who}/{number}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.plan.probability * 2**64


def _fail(plan: Plan | None) -> None:
    if plan is not None and isinstance(plan.effect, Fail):
        raise Planned(plan.effect.code, plan.effect.message, plan.effect.retry_after)

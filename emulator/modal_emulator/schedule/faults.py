"""
Faults on demand: what Modal says now and then, said when a test asks for it.

A `Plan` is a fault that strikes a number of times, on one volume or on any. Plans are used up in
the order in which they were made; what is left can be told. Beside the plans there is one
standing rule, a rate of listings. Whoever is about to do a thing asks here first, and is refused
before anything has changed.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import DataLoss, Exhausted, Invalid, NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.store.volumes import Volumes

__all__ = ["BLOCKS", "Fault", "Faults", "Plan"]

# Both words for word (modal-semantics 1.10, 1.3 [observed]). The first names the RPC of older
# SDKs; that the newer one's says the same is a guess.
RATE_LIMITED = "VolumeListFiles rate limit exceeded. Please wait and retry."
NOT_PUBLISHED = "failed to publish commit to server"


class Fault(Enum):
    """What can be made to happen; the values are the names that users write."""

    LISTING_RATE_LIMITED = "listing_rate_limited"
    COMMIT_FAILS = "commit_fails"
    BLOCK_UNAVAILABLE = "block_unavailable"
    BLOCK_CORRUPT = "block_corrupt"


BLOCKS = frozenset({Fault.BLOCK_UNAVAILABLE, Fault.BLOCK_CORRUPT})


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault that is to strike so many times more."""

    fault: Fault
    times: int
    volume: str | None = None
    """A volume's name or id; None is any."""

    def __str__(self) -> str:
        on = f"{self.volume!r}, " if self.volume else ""
        return f"{self.fault.value}({on}times={self.times})"


class Faults:
    """The plans of one World, and the rate of listings."""

    def __init__(
        self,
        volumes: Volumes,
        clock: Clock,
        journal: Journal,
        listings_per_second: float | None = None,
    ) -> None:
        """
        Begin without plans.

        Raises:
            Invalid: the rate is not above zero.
        """
        if listings_per_second is not None and not listings_per_second > 0:
            raise Invalid(f"listings_per_second must be above 0, not {listings_per_second}")
        self._volumes = volumes
        self._clock = clock
        self._journal = journal
        self._plans: list[Plan] = []
        self._rate = listings_per_second
        self._allowance, self._since = max(1.0, listings_per_second or 0.0), clock.now()

    def plan(self, fault: Fault, volume: str | None = None, times: int = 1) -> None:
        """Let a fault strike the next so many times that it can."""
        if times < 1:
            raise Invalid(f"{fault.value} cannot happen {times} times")
        self._plans.append(Plan(fault, times, volume))

    def left(self) -> tuple[Plan, ...]:
        """Return what has not happened yet."""
        return tuple(self._plans)

    def strike(self, faults: Collection[Fault], volume_id: str) -> Fault | None:
        """Return which of these faults happens now, if any, and count it."""
        for number, plan in enumerate(self._plans):
            if plan.fault in faults and self._means(plan.volume, volume_id):
                rest = replace(plan, times=plan.times - 1)
                self._plans[number : number + 1] = [rest] if rest.times else []
                self._journal.add("fault", fault=plan.fault.value, volume_id=volume_id)
                return plan.fault
        return None

    def before_listing(self, volume_id: str) -> None:
        """
        Count a listing.

        Raises:
            Exhausted: it is refused, by a plan or by the rate.
        """
        if self.strike({Fault.LISTING_RATE_LIMITED}, volume_id) or not self._admits():
            raise Exhausted(RATE_LIMITED)

    def before_commit(self, volume_id: str) -> None:
        """
        Let a container's commit that has something to say pass.

        Raises:
            DataLoss: it fails; what was to be committed is pending still.
        """
        if self.strike({Fault.COMMIT_FAILS}, volume_id):
            raise DataLoss(NOT_PUBLISHED)

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

    def _means(self, volume: str | None, volume_id: str) -> bool:
        if volume is None or volume == volume_id:
            return True
        try:
            return self._volumes.get(volume_id).name == volume
        except NotFound:  # deleted, with a download of it under way
            return False

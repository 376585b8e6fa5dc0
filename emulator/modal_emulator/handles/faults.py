"""
A test's hand on faults: what is to break, where and how often, and what did.

It is used from any thread and does its work on the event loop of the World of the moment. What can
be said of a fault is in `schedule/faults/words`, what comes of it in `schedule/faults/striking`.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from modal_emulator.schedule.faults import Plan, Struck
from modal_emulator.schedule.faults.struck import struck
from modal_emulator.world import World

__all__ = ["FaultsHandle", "PlannedFault"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class PlannedFault:
    """One plan of a test's, which can be taken back."""

    def __init__(self, run: Run, plan: Plan, take_back: Callable[[], None]) -> None:
        self._run = run
        self._take_back = take_back
        self.plan = plan

    def __repr__(self) -> str:
        return f"<fault {self.plan}>"

    def remove(self) -> None:
        """Let what is left of it not happen."""

        async def remove() -> None:
            self._take_back()

        self._run(remove())

    def __enter__(self) -> "PlannedFault":
        """Let it stand for the length of a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take back what is left of it."""
        self.remove()


class FaultsHandle:
    """
    Makes things fail on purpose; each method plans one fault.

    Where it strikes is said by `rpc` (Modal's name for a call of the SDK, or a pattern) or by `at`
    (a kind of step), and by the `where` that docs/guide/faults.md lists: `when`, `volume`, `dict`,
    `queue`, `secret`, `called`, `path`, `function`, `container`, `by`; how often by `times`,
    `after`, `every`, `probability` and `seed`. All raise Invalid where a plan makes no sense.
    """

    def __init__(self, run: Run, world: Callable[[], World]) -> None:
        self._run = run
        self._world = world

    # ---------------------------------------------------------------- what can happen

    def error(
        self,
        rpc: str | None = None,
        *,
        status: str,
        message: str | None = None,
        retry_after: float | None = None,
        **where: Any,
    ) -> PlannedFault:
        """Let it fail with a gRPC status such as "UNAVAILABLE", in Modal's words or these."""
        said = {"status": status, "message": message, "retry_after": retry_after}
        return self.plan("error", rpc=rpc, **said, **where)

    def delay(self, rpc: str | None = None, *, seconds: float, **where: Any) -> PlannedFault:
        """Let it take so much longer, by the emulator's clock."""
        return self.plan("delay", rpc=rpc, seconds=seconds, **where)

    def drop(self, rpc: str | None = None, **where: Any) -> PlannedFault:
        """Let the connection break: before it is done, or with `when="after"` before the answer."""
        return self.plan("drop", rpc=rpc, **where)

    def truncate(
        self,
        way: str,
        body: str | None = None,
        *,
        volume: str | None = None,
        keep: int | None = None,
        **often: Any,
    ) -> PlannedFault:
        """Let the end of a "download" or "upload" of a block or a blob be lost."""
        return self.plan("truncate", way=way, body=body, volume=volume, keep=keep, **often)

    def disk_full(self, volume: str | None = None, **where: Any) -> PlannedFault:
        """
        Let there be no space left, until it is removed: what containers open for writing fails.

        With `at="commit"` it is the commit that is refused.
        """
        return self.plan("disk_full", volume=volume, **where)

    def kill(self, rpc: str | None = None, *, oom: bool = False, **where: Any) -> PlannedFault:
        """Kill the container that does it."""
        return self.plan("kill", rpc=rpc, oom=oom or None, **where)

    def preempt(self, rpc: str | None = None, **where: Any) -> PlannedFault:
        """Begin to take away the container that does it: interrupt, grace, kill."""
        return self.plan("preempt", rpc=rpc, **where)

    def region_down(self, region: str, rpc: str | None = None, **where: Any) -> PlannedFault:
        """Take a region down; `regions.up` brings it up again."""
        return self.plan("region_down", region=region, rpc=rpc, **where)

    def skew(self, *, seconds: float, function: str | None = None, **often: Any) -> PlannedFault:
        """Let the clocks of containers that start from now on be ahead, or with a minus behind."""
        return self.plan("skew", seconds=seconds, function=function, **often)

    def listing_rate_limited(
        self, volume: str | None = None, times: int = 1, **where: Any
    ) -> PlannedFault:
        """Refuse the next listings, as Modal does when there are too many."""
        return self.plan("listing_rate_limited", volume=volume, times=times, **where)

    def commit_fails(self, volume: str | None = None, times: int = 1, **where: Any) -> PlannedFault:
        """Fail the next commits of containers that have something to commit."""
        return self.plan("commit_fails", volume=volume, times=times, **where)

    def block_unavailable(
        self, volume: str | None = None, times: int = 1, **where: Any
    ) -> PlannedFault:
        """Answer the next downloads of blocks with HTTP 503; the SDK tries each five times."""
        return self.plan("block_unavailable", volume=volume, times=times, **where)

    def block_corrupt(
        self, volume: str | None = None, times: int = 1, **where: Any
    ) -> PlannedFault:
        """Flip bits in the next downloads of blocks; the SDK tries each five times."""
        return self.plan("block_corrupt", volume=volume, times=times, **where)

    def plan(self, what: str, /, **said: Any) -> PlannedFault:
        """Plan a fault by its name, with the options that it takes."""

        async def plan() -> PlannedFault:
            return PlannedFault(self._run, *self._world().planning.add(what, said))

        planned: PlannedFault = self._run(plan())
        return planned

    # ---------------------------------------------------------------- what there is

    @property
    def left(self) -> tuple[str, ...]:
        """What was planned and has not happened yet."""
        return self._told(lambda world: world.faults.left())

    @property
    def standing(self) -> tuple[str, ...]:
        """What may happen still, also what has happened before."""
        return self._told(lambda world: world.faults.plans())

    @property
    def struck(self) -> tuple[Struck, ...]:
        """What happened, the oldest first."""

        async def read() -> tuple[Struck, ...]:
            return struck(self._world().journal.events())

        found: tuple[Struck, ...] = self._run(read())
        return found

    def load(self, text: str) -> None:
        """Plan what a file of faults says, in place of what is left of the one before."""

        async def load() -> None:
            self._world().planning.load(text)

        self._run(load())

    def clear(self) -> None:
        """Forget all plans."""

        async def clear() -> None:
            self._world().faults.clear()

        self._run(clear())

    def _told(self, question: Callable[[World], tuple[Plan, ...]]) -> tuple[str, ...]:
        async def read() -> tuple[str, ...]:
            return tuple(str(plan) for plan in question(self._world()))

        told: tuple[str, ...] = self._run(read())
        return told

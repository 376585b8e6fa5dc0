"""
What else may happen in a schedule besides the program's own steps.

Background commits, a schedule that fires, a call of the SDK that fails or whose reply is lost, a
container that is killed; and which container gets an input. How many of each there may be is
bounded, so that schedules end.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from modal_emulator.ground.errors import Code, EmulatorError, Invalid
from modal_emulator.ground.steps import FILE_STEPS, Kind, Step
from modal_emulator.orders.options import Option
from modal_emulator.races.held import UNHELD, Cast, Gate, Held
from modal_emulator.races.telling import action_of
from modal_emulator.races.touching import NOTHING, Touch, life_of, touched
from modal_emulator.schedule.faults.planned import Planned
from modal_emulator.schedule.schedules import Scheduled
from modal_emulator.schedule.worker import Worker
from modal_emulator.store.apps import Function
from modal_emulator.world import World

__all__ = ["Draws", "Extras", "Move"]

BACKGROUND = ("never", "always", "drawn")
CONTAINERS = ("drawn", "warm", "new")

FAILING = frozenset(
    {
        Kind.COMMIT,
        Kind.RELOAD,
        Kind.DICT_READ,
        Kind.DICT_WRITE,
        Kind.QUEUE_READ,
        Kind.QUEUE_PUT,
        Kind.QUEUE_GET,
        Kind.CALL,
    }
)
"""What may fail: calls of the SDK that user code makes."""

LOSING = frozenset({Kind.COMMIT, Kind.DICT_WRITE, Kind.QUEUE_PUT, Kind.QUEUE_GET})
"""Whose reply may be lost: those that do something which is not the same when it is done twice."""


@dataclass(frozen=True, slots=True)
class Draws:
    """What may happen besides the program's own steps."""

    background_commits: str = "never"
    """One of `BACKGROUND`: never, always after each step that leaves anything, or where drawn."""
    containers: str = "drawn"
    """Which container gets an input: a warm one, always a new one, or whichever is drawn."""
    kills: int = 0
    """So many containers may be killed in one schedule."""
    rpc_failures: int = 0
    """So many calls of the SDK may fail in one schedule."""
    lost_replies: int = 0
    """So many calls of the SDK may do their work in one schedule without being answered."""
    crons: tuple[str, ...] = ()
    """Scheduled functions, by name, each of which may fire once in a schedule."""

    def __post_init__(self) -> None:
        if self.background_commits not in BACKGROUND:
            known = ", ".join(BACKGROUND)
            raise Invalid(f"background_commits is one of {known}, not {self.background_commits!r}")
        if self.containers not in CONTAINERS:
            known = ", ".join(CONTAINERS)
            raise Invalid(f"containers is one of {known}, not {self.containers!r}")
        if min(self.kills, self.rpc_failures, self.lost_replies) < 0:
            raise Invalid("kills, rpc_failures and lost_replies are at least 0")

    @property
    def unheld(self) -> frozenset[Kind]:
        """Steps that need not be held, as nothing can come between them and the next."""
        return UNHELD | FILE_STEPS if self.background_commits == "never" else UNHELD


@dataclass(frozen=True, slots=True)
class Move:
    """Something that can happen now, and how."""

    option: Option
    act: Callable[[], Awaitable[None]]


class Extras:
    """Offers what a schedule may draw, and does it."""

    def __init__(self, world: World, draws: Draws, cast: Cast, gate: Gate) -> None:
        self._world = world
        self._draws = draws
        self._cast = cast
        self._gate = gate
        self._used: Counter[str] = Counter()
        self._fired: set[str] = set()
        self._next: str | None = None
        """The container that is to have the next input; empty for a new one."""

    def begin(self) -> None:
        """
        Begin, when apps are there.

        Raises:
            Invalid: no function that is named has a schedule.
        """
        for name in self._draws.crons:
            self._scheduled(name)
        self._world.dispatcher.serving.choose = self._serve

    def end(self) -> None:
        """Leave everything as it was."""
        self._world.dispatcher.serving.choose = None

    async def always(self) -> bool:
        """Make the background commits that are always made; say whether there were any."""
        if self._draws.background_commits != "always":
            return False
        done = False
        for worker, volume_id in self._mounts():
            step = Step(Kind.BACKGROUND_COMMIT, worker.container_id, object_id=volume_id)
            if await touched(self._world, step, "") != NOTHING:
                await self._commit(step)
                done = True
        return done

    async def moves(self, held: Sequence[Held], *, going: bool) -> list[Move]:
        """Return what may happen now; while the program is `going`, schedules may fire."""
        moves = []
        if self._draws.background_commits == "drawn":
            moves += [m for each in self._mounts() if (m := await self._background(*each))]
        if going:
            moves += [self._cron(name) for name in self._draws.crons if name not in self._fired]
        if self._used["failures"] < self._draws.rpc_failures:
            moves += [self._failure(each) for each in held if each.step.kind in FAILING]
        if self._used["kills"] < self._draws.kills:
            moves += [self._kill(each) for each in held if self._may_be_killed(each)]
        return moves

    def servers(self, held: Held) -> list[str]:
        """Return which containers may have the input of a call: by name, and empty for a new."""
        if held.step.kind is not Kind.CALL or self._draws.containers != "drawn":
            return []
        pool = self._world.dispatcher.pool(held.step.object_id)
        asking = sorted(self._cast.title(w.container_id) for w in pool.asking())
        return [*asking, *([""] if pool.may_grow() else [])] if asking else []

    def serve_next(self, name: str) -> None:
        """Let this container have the next input."""
        self._next = name

    def _serve(self, function: Function, asking: Sequence[Worker]) -> Worker | None:
        wanted, self._next = self._next, None
        if wanted == "" or (wanted is None and self._draws.containers == "new"):
            return None
        named = {self._cast.title(w.container_id): w for w in asking}
        return named.get(wanted or "") or named[min(named)]

    def _mounts(self) -> list[tuple[Worker, str]]:
        world = self._world
        return [
            (worker, volume_id)
            for worker in world.dispatcher.workers()
            for volume_id in world.commits.volumes_of(worker.container_id)
            if worker.ready and worker.ending is None
        ]

    async def _background(self, worker: Worker, volume_id: str) -> Move | None:
        name = self._cast.title(worker.container_id)
        step = Step(Kind.BACKGROUND_COMMIT, worker.container_id, object_id=volume_id)
        touch = await touched(self._world, step, name, sees_views=True)
        if touch == NOTHING:
            return None
        option = Option(
            f"background of {name}",
            f"background commit {(self._world.volumes.get(volume_id).name or volume_id)!r}",
            touch.reads,
            touch.writes,
            optional=True,
        )
        return Move(option, partial(self._commit, step))

    async def _commit(self, step: Step) -> None:
        world = self._world
        work = partial(world.commits.commit, step.container_id, step.object_id, "background")
        try:
            await world.steps.take(step, work)
        except EmulatorError as error:  # Modal tries again later, and the exit commit comes
            world.journal.add(
                "volume.background-commit-failed", volume_id=step.object_id, error=repr(error)
            )

    def _cron(self, name: str) -> Move:
        scheduled = self._scheduled(name)

        async def fire() -> None:
            self._fired.add(name)
            self._world.schedules.run_now(name)

        writes = frozenset({f"{scheduled.function_id} containers", "clock"})
        option = Option(f"cron {name}", "fires", writes=writes, optional=True)
        return Move(option, fire)

    def _scheduled(self, name: str) -> Scheduled:
        for each in self._world.schedules.list():
            if name in (each.function, f"{each.app}/{each.function}"):
                return each
        raise Invalid(f"no function {name!r} with a schedule is there when the program begins")

    def _failure(self, held: Held) -> Move:
        async def fail() -> None:
            self._used["failures"] += 1
            why = f"{held.step.kind.value} failed, as this schedule has it"
            self._gate.let_go(held, Planned(Code.ABORTED, why))

        option = Option(
            "failures",
            f"{action_of(self._world, held.step)} of {held.actor} fails",
            writes=frozenset({life_of(held.actor)}),
            cost=1,
            optional=True,
        )
        return Move(option, fail)

    def lost_reply(self, held: Held, touch: Touch) -> Move | None:
        """Return how a step that touches this can happen without an answer, if it can."""
        if self._used["lost"] >= self._draws.lost_replies or held.step.kind not in LOSING:
            return None

        async def lose() -> None:
            self._used["lost"] += 1
            self._gate.let_go(held, loses=True)

        option = Option(
            "failures",
            f"the reply to {action_of(self._world, held.step)} of {held.actor} is lost",
            touch.reads,
            touch.writes | {life_of(held.actor)},
            cost=1,
            optional=True,
        )
        return Move(option, lose)

    def _may_be_killed(self, held: Held) -> bool:
        step = held.step
        return bool(step.container_id) and step.kind not in (Kind.START, Kind.EXIT_COMMIT)

    def _kill(self, held: Held) -> Move:
        worker = self._world.dispatcher.worker(held.step.container_id)

        async def kill() -> None:
            self._used["kills"] += 1
            await worker.pool.kill(worker)
            self._gate.forget(held.step.container_id)

        pool = f"{worker.pool.function.function_id} containers"
        writes = frozenset({life_of(held.actor), pool})
        option = Option("kills", f"kill {held.actor}", writes=writes, cost=1, optional=True)
        return Move(option, kill)

    def lives(self, held: Held) -> Touch:
        """Return what a step touches because it can be ended before it happens."""
        if self._draws.kills or self._draws.rpc_failures or self._draws.lost_replies:
            return Touch(frozenset({life_of(held.actor)}))
        return NOTHING

"""
One schedule: a program run once, its steps in the order in which a chooser names them.

Whenever everything is at rest, and each actor is held at a step, waits or is done, one of the
steps that can happen is chosen and let go. Time stands meanwhile; it goes on to the next thing
that is due only when nothing else can happen. It is played on the emulator's loop.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from modal_emulator.orders.options import Chooser, Option
from modal_emulator.races.found import Deadlock, Endless
from modal_emulator.races.held import PROGRAM, Cast, Gate, Held
from modal_emulator.races.programs import Phase, ProgramThread
from modal_emulator.races.telling import Played, action_of
from modal_emulator.races.touching import NOTHING, Touch, touched
from modal_emulator.rpc.results import terminated
from modal_emulator.world import World

__all__ = ["LONGEST", "Move", "Schedule"]

LONGEST = 1000
"""The most choices of one schedule; it is taken for endless after that."""

_IDLE = 1000
"""So often time may go on without anything that could be chosen."""


@dataclass(frozen=True, slots=True)
class Move:
    """Something that can happen now, and how."""

    option: Option
    act: Callable[[], Awaitable[None]]
    where: str = ""


class Schedule:
    """Plays a program once."""

    def __init__(self, world: World, program: ProgramThread, chooser: Chooser) -> None:
        self._world = world
        self._settling = world.settling
        self._program = program
        self._chooser = chooser
        self.cast = Cast()
        self.gate = Gate(self.cast, frozenset(), self._settling.changed)
        self.played: list[Played] = []
        self._touches: dict[Held, Touch] = {}
        self._causes: dict[Held, frozenset[str]] = {}
        self._counts: Counter[str] = Counter()
        self._current: str | None = None
        self._idle = self._choices = 0

    async def play(self) -> None:
        """
        Run to the end, or as far as the program lets it.

        Raises:
            Deadlock: nobody can go on.
            Endless: it has taken too many steps.
            Conflict: something does not come to rest.
            Exception: whatever the chooser raises.
        """
        remove = self._world.steps.add(self.gate)
        self._settling.is_led = True
        try:
            while not self._is_over():
                await self._settling.settled(self._at_work)
                await self._go_on()
        finally:
            self._settling.is_led = False
            self.gate.open()
            remove()

    async def give_up(self) -> None:
        """End what goes on, so that the program's thread comes to its end."""
        world = self._world
        for pool in {worker.pool for worker in world.dispatcher.workers()}:
            running = [world.calls.input(i) for w in pool.workers.values() for i in w.inputs]
            for undone in (*pool.waiting(), *running):
                pool.cancel(undone, terminated(world))

    def _is_over(self) -> bool:
        return self._program.phase is Phase.OVER and not self._world.dispatcher.workers()

    def _at_work(self) -> Iterable[str]:
        if self._program.is_at_work and not self._settling.resting(None):
            yield "the program"

    async def _go_on(self) -> None:
        """Let one thing happen."""
        phase = self._program.phase
        if phase is Phase.OPENED:
            self.gate.is_open = False
            self._program.go_on()
        elif self.gate.held:
            self._idle = 0
            if not await self._pass():
                await self._choose(await self._moves())
        elif phase is Phase.DONE and not self._works():
            self._program.go_on()
        elif phase is Phase.OVER and not self._works():
            self._let_all_leave()
        elif not await self._let_time_pass():
            raise Deadlock(self._who_waits())

    def _works(self) -> bool:
        """Say whether calls are left to do."""
        workers = self._world.dispatcher.workers()
        return any(w.inputs or w.pool.backlog for w in workers)

    def _let_all_leave(self) -> None:
        for worker in self._world.dispatcher.workers():
            if not worker.leaving:
                worker.pool.let_go(worker)

    async def _let_time_pass(self) -> bool:
        clock = self._world.clock
        self._idle += 1
        if self._idle > _IDLE or (due := clock.next_due()) is None:
            return False
        await clock.jump(due)
        return True

    async def _pass(self) -> bool:
        """Let one step go that concerns nobody else, if there is one."""
        for held in self.gate.held:
            if await self._touch(held) == NOTHING:
                self.gate.let_go(held)
                return True
        return False

    async def _moves(self) -> list[Move]:
        """Return all that can happen."""
        return [await self._move(held, await self._touch(held)) for held in self.gate.held]

    async def _touch(self, held: Held) -> Touch:
        if held not in self._touches:
            world = self._world
            self._touches[held] = await touched(world, held.step, held.actor, sees_views=False)
            # What was done last is what made this possible, if not by the same actor.
            mine = self._current in (None, held.actor)
            self._causes[held] = frozenset() if mine else frozenset({self._done(self._current)})
        return self._touches[held]

    async def _move(self, held: Held, touch: Touch) -> Move:
        option = Option(
            held.actor,
            await action_of(self._world, held.step),
            touch.reads | self._causes[held],
            touch.writes,
        )
        where = held.step.where[-1] if held.step.where else ""
        return Move(option, partial(self._let_go, held), where)

    async def _let_go(self, held: Held) -> None:
        self.gate.let_go(held)

    async def _choose(self, moves: list[Move]) -> None:
        self._choices += 1
        if self._choices > LONGEST:
            raise Endless(f"the schedule does not end: it has taken {LONGEST} steps")
        options = []
        for move in moves:
            actor = move.option.actor
            ticking = move.option.writes | {f"step {self._counts[actor]} of {actor}"}
            options.append(replace(move.option, writes=ticking))
        index = self._chooser.choose(options, self._current)
        move = moves[index]
        actor = move.option.actor
        self._current = actor
        self._counts[actor] += 1
        self.played.append(Played(actor, move.option.action, move.where, len(moves) > 1))
        await move.act()

    def _done(self, actor: str | None) -> str:
        """Name the step that this actor did last, as what came of it says what it comes of."""
        return f"step {self._counts[str(actor)] - 1} of {actor}"

    def _who_waits(self) -> str:
        lines = ["nobody can go on:"]
        if self._program.is_at_work:
            lines.append(f"  {PROGRAM} waits in {self._last('')}")
        for worker in self._world.dispatcher.workers():
            name = self.cast.title(worker.container_id)
            doing = f"waits in {self._last(name)}" if worker.inputs else "waits for an input"
            lines.append(f"  {name} {doing}")
        return "\n".join(lines)

    def _last(self, actor: str) -> str:
        step = self.gate.last.get(actor or PROGRAM)
        if step is None:
            return "its own code"
        return f"{step} at {step.where[-1]}" if step.where else str(step)

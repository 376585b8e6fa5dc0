"""
One schedule: a program run once, its steps in the order in which a chooser names them.

Whenever everything is at rest, and each actor is held at a step, waits or is done, one of the
steps that can happen is chosen and let go. Time stands meanwhile; it goes on to the next thing
that is due only when nothing else can happen. It is played on the emulator's loop.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from modal_emulator.ground.steps import Step
from modal_emulator.orders.options import Chooser, Option
from modal_emulator.races.drawing import Draws, Extras, Move
from modal_emulator.races.found import Deadlock, Endless
from modal_emulator.races.held import PROGRAM, Cast, Gate, Held
from modal_emulator.races.programs import Phase, ProgramThread
from modal_emulator.races.telling import QUIET, Played, action_of, played
from modal_emulator.races.touching import NOTHING, Touch, touched
from modal_emulator.rpc.results import terminated
from modal_emulator.world import World

__all__ = ["LONGEST", "Schedule"]

LONGEST = 1000
"""The most choices of one schedule; it is taken for endless after that."""

CLOCK = "clock"
"""The actor that lets time pass, where that is a choice."""

_IDLE = 1000
"""So often time may go on without anything that could be chosen."""


class Schedule:
    """Plays a program once."""

    def __init__(
        self, world: World, program: ProgramThread, chooser: Chooser, draws: Draws
    ) -> None:
        self._world = world
        self._settling = world.settling
        self._program = program
        self._chooser = chooser
        self.cast = Cast()
        self.gate = Gate(self.cast, draws.unheld, self._settling.changed)
        self._sees_views = draws.background_commits == "drawn"
        self._is_fresh = draws.containers == "new" and not draws.kills
        self._extras = Extras(world, draws, self.cast, self.gate)
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
        takers = [self._world.steps.add(self.gate), self._world.steps.listen(self._over)]
        try:
            with self._settling.led():
                while not self._is_over():
                    await self._settling.settled(self._at_work)
                    await self._go_on()
        finally:
            self._extras.end()
            self.gate.open()
            for take in takers:
                take()

    def _over(self, step: Step, error: Exception | None) -> None:
        """Note what happened."""
        if step.kind not in QUIET and not self.gate.is_open:
            name = self.cast.name(step.container_id, step.function)
            self.played.append(played(self._world, step, name, error))

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
        program = self._program
        if program.is_at_work and (program.is_awake or not self._settling.resting(None)):
            yield "the program"

    async def _go_on(self) -> None:
        """Let one thing happen."""
        phase = self._program.phase
        if phase is Phase.OPENED:
            self._extras.begin()
            self.gate.is_open = False
            self._program.go_on()
        elif await self._extras.always() or await self._pass():
            return
        elif moves := await self._moves():
            self._idle = 0
            await self._choose(moves)
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

    async def _tick(self) -> None:
        await self._let_time_pass()

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
        held = self.gate.held
        moves = [move for each in held for move in await self._moves_of(each)]
        going = self._program.phase is Phase.RUNNING or self._works()
        extras = await self._extras.moves(held, going=going)
        if extras and not moves and self._world.clock.next_due() is not None:
            # Nothing has to happen now, so it may as well happen later.
            moves.append(Move(Option(CLOCK, "time passes", writes=frozenset({CLOCK})), self._tick))
        return moves + extras

    async def _touch(self, held: Held) -> Touch:
        if held not in self._touches:
            world = self._world
            touch = await touched(
                world, held.step, held.actor, sees_views=self._sees_views, fresh=self._is_fresh
            )
            self._touches[held] = touch | self._extras.lives(held)
            # What was done last is what made this possible, if not by the same actor.
            mine = self._current in (None, held.actor)
            self._causes[held] = frozenset() if mine else frozenset({self._done(self._current)})
        return self._touches[held]

    async def _moves_of(self, held: Held) -> list[Move]:
        """Return the ways in which a step can happen: one, or for a call one for each server."""
        touch = await self._touch(held)
        action = action_of(self._world, held.step)
        reads, writes = touch.reads | self._causes[held], touch.writes
        moves = []
        servers: list[str | None] = [*self._extras.servers(held)]
        for server in servers or [None]:
            words = "" if server is None else f", in {server or 'a new container'}"
            option = Option(held.actor, action + words, reads, writes)
            moves.append(Move(option, partial(self._let_go, held, server)))
        if lost := self._extras.lost_reply(held, Touch(reads, writes)):
            moves.append(lost)
        return moves

    async def _let_go(self, held: Held, server: str | None) -> None:
        if server is not None:
            self._extras.serve_next(server)
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
        if move.option.optional or actor == CLOCK:
            self.played.append(Played(actor, move.option.action))
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

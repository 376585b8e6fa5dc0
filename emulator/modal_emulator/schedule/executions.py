"""
Commands in containers: what was started, what each wrote, how it ended.

An execution is known by an id that whoever starts it may choose, so that a repeated start is one.
It may be asked about for a while after its end, also when its container is gone. Its timeout runs
on the emulator's clock; the program itself lives in the machine's time.
"""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from modal_emulator.ground.clock import Clock, Timer
from modal_emulator.ground.errors import Conflict, Invalid, NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Command, Container, Execution, Exit
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.schedule.tape import Tape

__all__ = ["Executed", "Executions", "Order"]

STDOUT, STDERR = 1, 2
_REMEMBERED = 256
"""How many that have ended can be asked about."""
_UNREAD = 64 << 20
"""How much may lie unread before the program is made to wait, as one is by a pipe [guess]."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run, and how."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    working_directory: str = ""
    terminal: tuple[int, int] | None = None
    timeout: float = 0.0
    """Seconds of the clock after which it is killed; 0 for never."""
    kept: frozenset[int] = frozenset({STDOUT, STDERR})
    """Whose output is wanted at all."""


class Executed:
    """One command, running or not."""

    def __init__(self, execution_id: str, container_id: str, order: Order) -> None:
        self.execution_id = execution_id
        self.container_id = container_id
        self._order = order
        self.tapes: Mapping[int, Tape] = {STDOUT: Tape(), STDERR: Tape()}
        self.exit: Exit | None = None
        self.timed_out = False
        self.given = 0
        """How many bytes of input it was given."""
        self.given_all = False
        self._last_message = 0
        self.over = Pulse()
        self._execution: Execution | None = None
        self._giving = asyncio.Lock()
        self._is_held = False

    @property
    def exit_code(self) -> int | None:
        """As a shell would say it; None while it runs."""
        if self.exit is None:
            return None
        return self.exit.code if self.exit.code is not None else 128 + (self.exit.signal or 0)

    async def give(self, data: bytes, offset: int | None, *, eof: bool) -> None:
        """
        Write to its input; what came before by the same offset is not written again.

        Raises:
            Conflict: its input is closed, or bytes in between are missing.
        """
        async with self._giving:
            if offset is not None:
                if offset > self.given:
                    raise Conflict(f"input goes on at byte {self.given} and not at {offset}")
                data = data[self.given - offset :]
            if self._execution is None or (data and self.given_all):
                raise Conflict("the command's input is closed")
            try:
                await self._execution.write(data)
            except BrokenPipeError:
                raise Conflict("the command has closed its input") from None
            self.given += len(data)
            if eof and not self.given_all:
                self.given_all = True
                await self._execution.close_input()

    async def give_message(self, index: int, data: bytes, *, eof: bool) -> None:
        """Write what comes by ever growing numbers, each once. Raises as `give`."""
        if index > self._last_message:
            self._last_message = index
            await self.give(data, None, eof=eof)

    async def wait(self) -> None:
        """Return when it has ended."""
        while self.exit is None:
            await self.over.wait()

    def read(self, number: int, offset: int, most: int) -> bytes:
        """Return output from an offset on, and let the program go on when it had to wait."""
        data = self.tapes[number].read(offset, most)
        self._balance()
        return data

    async def kill(self) -> None:
        """End it and its group."""
        if self._execution is not None:
            await self._execution.signal(signal.SIGKILL)

    def begun(self, execution: Execution) -> None:
        """It runs."""
        self._execution = execution
        self._balance()

    def heard(self, number: int, data: bytes) -> None:
        """It has written something."""
        if number in self._order.kept:
            self.tapes[number].append(data)
            self._balance()

    def ended(self, how: Exit) -> None:
        """It is gone."""
        self.exit = how
        for tape in self.tapes.values():
            tape.end()
        self.over.beat()

    def forget(self) -> None:
        """Nobody will ask any more."""
        for tape in self.tapes.values():
            tape.forget()

    def _balance(self) -> None:
        unread = max(tape.length - tape.read_to for tape in self.tapes.values())
        is_held = unread > _UNREAD
        if self._execution is not None and is_held != self._is_held:
            self._is_held = is_held
            self._execution.hold(held=is_held)


class Executions:
    """Knows all of them."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._all: dict[str, asyncio.Future[Executed]] = {}
        self._limits: dict[str, Timer] = {}
        self._kills: set[asyncio.Task[None]] = set()

    async def start(self, container: Container, execution_id: str, order: Order) -> Executed:
        """
        Run a command in a container, unless this id stands for one already.

        Raises:
            Invalid: no program is named.
            Conflict: it cannot be started there.
        """
        if not order.arguments:
            raise Invalid("the command is empty")
        starting = self._all.get(execution_id)
        if starting is None:
            starting = asyncio.ensure_future(self._start(container, execution_id, order))
            self._all[execution_id] = starting
        try:
            return await asyncio.shield(starting)
        except BaseException:
            if starting.done():
                self._all.pop(execution_id, None)
            raise

    def get(self, execution_id: str, container_id: str | None = None) -> Executed:
        """
        Return a command by its id, if it is one of this container's.

        Raises:
            NotFound: there is none.
        """
        found = self._all.get(execution_id)
        if found is not None and found.done() and not found.cancelled() and not found.exception():
            executed = found.result()
            if container_id in (None, executed.container_id):
                return executed
        raise NotFound(f"No exec with ID '{execution_id}' found")

    async def close(self) -> None:
        """Forget everything; containers have ended before."""
        for timer in self._limits.values():
            timer.cancel()
        for kill in self._kills:
            kill.cancel()
        for starting in self._all.values():
            if starting.done() and not starting.cancelled() and not starting.exception():
                starting.result().forget()
            else:
                starting.cancel()
        self._all.clear()

    async def _start(self, container: Container, execution_id: str, order: Order) -> Executed:
        executed = Executed(execution_id, container.container_id, order)

        def over(how: Exit) -> None:
            if limit := self._limits.pop(execution_id, None):
                limit.cancel()
            executed.ended(how)
            self._journal.add(
                "exec.exit",
                container_id=container.container_id,
                execution_id=execution_id,
                code=how.code,
                signal=how.signal,
            )
            self._forget_old()

        command = Command(
            order.arguments,
            order.environment,
            order.working_directory,
            order.terminal,
            executed.heard,
            over,
        )
        execution = await container.execute(command)
        executed.begun(execution)
        # Not the arguments: they may hold what nobody else is to know.
        self._journal.add(
            "exec.start",
            container_id=container.container_id,
            execution_id=execution_id,
            program=order.arguments[0],
        )
        if order.timeout and executed.exit is None:
            self._limits[execution_id] = self._clock.after(
                order.timeout, lambda: self._time_out(executed)
            )
        return executed

    def _time_out(self, executed: Executed) -> None:
        self._limits.pop(executed.execution_id, None)
        executed.timed_out = True
        kill = asyncio.ensure_future(executed.kill())
        self._kills.add(kill)
        kill.add_done_callback(self._kills.discard)

    def _forget_old(self) -> None:
        done = [
            each.result()
            for each in self._all.values()
            if each.done() and not each.cancelled() and not each.exception()
        ]
        ended = [each for each in done if each.exit is not None]
        for each in ended[:-_REMEMBERED]:
            with suppress(KeyError):
                del self._all[each.execution_id]
            each.forget()

"""
Commands in containers: what was started, what each wrote, how it ended.

An execution is known by an id that whoever starts it may choose, so that a repeated start is one.
It may be asked about for a while after its end, also when its container is gone. Its timeout runs
on the emulator's clock; the program itself lives in the machine's time.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from modal_emulator.ground.clock import Clock, Timer
from modal_emulator.ground.errors import Invalid, NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Command, Container, Exit
from modal_emulator.schedule.executed import Executed, Order

__all__ = ["Executions"]

_REMEMBERED = 256
"""How many that have ended can be asked about."""


class Executions:
    """Knows all of them."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._all: dict[str, asyncio.Future[Executed]] = {}
        self._limits: dict[str, Timer] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._kills: set[asyncio.Task[None]] = set()

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the container's id whenever a command begins or ends."""
        self._listeners.append(listener)

    def running(self, container_id: str, but: str = "") -> int:
        """Count the commands that run in a container, but for one."""
        return sum(
            1
            for each in self._begun()
            if each.container_id == container_id and each.exit is None and each.execution_id != but
        )

    async def start(
        self,
        container: Container,
        execution_id: str,
        order: Order,
        listener: Callable[[int, bytes], None] | None = None,
    ) -> Executed:
        """
        Run a command in a container, unless this id stands for one already.

        `listener` hears what it writes as well.

        Raises:
            Invalid: no program is named.
            Conflict: it cannot be started there.
        """
        if not order.arguments:
            raise Invalid("the command is empty")
        starting = self._all.get(execution_id)
        if starting is None:
            starting = asyncio.ensure_future(self._start(container, execution_id, order, listener))
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
        for executed in self._begun():
            executed.forget()
        for starting in self._all.values():
            starting.cancel()
        self._all.clear()

    def _begun(self) -> list[Executed]:
        done = [each for each in self._all.values() if each.done() and not each.cancelled()]
        return [each.result() for each in done if not each.exception()]

    async def _start(
        self,
        container: Container,
        execution_id: str,
        order: Order,
        listener: Callable[[int, bytes], None] | None,
    ) -> Executed:
        executed = Executed(execution_id, container.container_id, order)

        def heard(number: int, data: bytes) -> None:
            executed.heard(number, data)
            if listener is not None:
                listener(number, data)

        command = Command(
            order.arguments,
            order.environment,
            order.working_directory,
            order.terminal,
            heard,
            partial(self._over, executed),
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
        # Once `running` knows it.
        asyncio.get_running_loop().call_soon(self._tell, container.container_id)
        return executed

    def _over(self, executed: Executed, how: Exit) -> None:
        if limit := self._limits.pop(executed.execution_id, None):
            limit.cancel()
        executed.ended(how)
        self._journal.add(
            "exec.exit",
            container_id=executed.container_id,
            execution_id=executed.execution_id,
            code=how.code,
            signal=how.signal,
        )
        self._forget_old()
        self._tell(executed.container_id)

    def _tell(self, container_id: str) -> None:
        for listener in self._listeners:
            listener(container_id)

    def _time_out(self, executed: Executed) -> None:
        self._limits.pop(executed.execution_id, None)
        executed.timed_out = True
        kill = asyncio.ensure_future(executed.kill())
        self._kills.add(kill)
        kill.add_done_callback(self._kills.discard)

    def _forget_old(self) -> None:
        ended = [each for each in self._begun() if each.exit is not None]
        for each in ended[:-_REMEMBERED]:
            with suppress(KeyError):
                del self._all[each.execution_id]
            each.forget()

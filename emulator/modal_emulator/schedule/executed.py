"""One command in a container: what it is given, what it wrote, how it ended."""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime.backend import Execution, Exit
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.schedule.tape import Tape

__all__ = ["STDERR", "STDOUT", "Executed", "Order"]

STDOUT, STDERR = 1, 2
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
        self.news = 0
        """Grows whenever somebody begins to read its output, and with each piece that is read."""
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

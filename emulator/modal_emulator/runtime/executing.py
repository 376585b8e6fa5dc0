"""
The server's hold on one command in a container: its input, its output, its end.

Whoever starts the process, a warden or a thread, is given three open files for it and says when
it has ended. Belongs to the event loop.
"""

import asyncio
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Awaitable, Callable
from contextlib import suppress

from modal_emulator.runtime.backend import Command, Exit

__all__ = ["Running"]

_PIECE = 1 << 16
_LAST_PIECES = 64
"""What a pipe can hold is far less; a process that was left behind may go on writing for ever."""
_END_OF_FILE = b"\x04"


class Running:
    """One command, from before it is started until all is said about it."""

    def __init__(self, command: Command, signal: Callable[[int], Awaitable[None]]) -> None:
        """`signal` sends one to its processes while there are any."""
        self._command = command
        self._signal = signal
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()
        self._held = False
        self._exit: Exit | None = None
        self._is_over = False
        self._room: asyncio.Future[None] | None = None
        """Done when the kernel takes input again, or nobody does any more."""
        self._readers: dict[int, int]
        if command.terminal is not None:
            master, slave = os.openpty()
            _resize(slave, *command.terminal)
            self.theirs: tuple[int, ...] = (slave, slave, slave)
            """What the process gets as its input, output and error."""
            write = master
            self._readers = {master: 1}
        else:
            (given, write), out, err = os.pipe(), os.pipe(), os.pipe()
            self.theirs = (given, out[1], err[1])
            self._readers = {out[0]: 1, err[0]: 2}
        for file in (write, *self._readers):
            os.set_blocking(file, False)
        self._input: int | None = write

    @property
    def is_over(self) -> bool:
        """All is told."""
        return self._is_over

    def begin(self) -> None:
        """The process has its files: give ours of them away and listen."""
        for file in set(self.theirs):
            os.close(file)
        self.theirs = ()
        self._listen()

    def abandon(self) -> None:
        """It could not be started: nothing is told of it."""
        self._is_over = True
        for file in set(self.theirs):
            os.close(file)
        self.theirs = ()
        self._close()

    def ended(self, how: Exit) -> None:
        """The process is gone: pass on what it wrote, and tell."""
        if self._exit is None and not self._is_over:
            self._exit = how
            if not self._held:
                self._finish()

    async def write(self, data: bytes) -> None:
        """Give it input; returns when the kernel has all of it."""
        async with self._writing:
            while data:
                if self._input is None:
                    raise BrokenPipeError(errno.EPIPE, "the command has closed its input")
                try:
                    data = data[os.write(self._input, data) :]
                except BlockingIOError:
                    await self._have_room(self._input)
                except OSError as error:
                    if error.errno != errno.EIO:  # a terminal that nobody has open any more
                        raise
                    raise BrokenPipeError(errno.EPIPE, "the command has ended") from None

    async def close_input(self) -> None:
        """Let it see the end of its input."""
        if self._command.terminal is not None:
            with suppress(BrokenPipeError):
                await self.write(_END_OF_FILE)
            return
        async with self._writing:
            if self._input is not None:
                os.close(self._input)
                self._input = None

    def hold(self, *, held: bool) -> None:
        """Stop taking its output, or go on."""
        if held == self._held:
            return
        self._held = held
        if held:
            for file in self._readers:
                self._loop.remove_reader(file)
        elif self._exit is not None:
            self._finish()
        else:
            self._listen()

    async def resize(self, rows: int, columns: int) -> None:
        """Change the size of its terminal, which tells the processes in it."""
        if self._command.terminal is not None and self._input is not None:
            _resize(self._input, rows, columns)

    async def signal(self, number: int) -> None:
        """Send it a signal; one that has ended gets none."""
        if self._exit is None and not self._is_over:
            await self._signal(number)

    def _listen(self) -> None:
        for file, number in self._readers.items():
            self._loop.add_reader(file, self._read, file, number)

    def _read(self, file: int, number: int) -> bool:
        """Pass a piece on; false when there is none now."""
        try:
            piece = os.read(file, _PIECE)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the terminal open any more
            piece = b""
        if piece:
            self._command.on_output(number, piece)
        else:
            self._loop.remove_reader(file)
        return bool(piece)

    def _finish(self) -> None:
        if self._is_over or self._exit is None:
            return
        self._is_over = True
        for file, number in self._readers.items():
            for _ in range(_LAST_PIECES):
                if not self._read(file, number):
                    break
        self._close()
        if self._room is not None:
            _settle(self._room)
        self._command.on_exit(self._exit)

    def _close(self) -> None:
        files = set(self._readers)
        if self._input is not None:
            files.add(self._input)
        for file in files:
            self._loop.remove_reader(file)
            self._loop.remove_writer(file)
            os.close(file)
        self._readers, self._input = {}, None

    async def _have_room(self, file: int) -> None:
        """Wait until more can be written, or the process has ended."""
        room = self._room = self._loop.create_future()
        self._loop.add_writer(file, _settle, room)
        try:
            await room
        finally:
            if not self._is_over:
                self._loop.remove_writer(file)


def _settle(room: "asyncio.Future[None]") -> None:
    if not room.done():
        room.set_result(None)


def _resize(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

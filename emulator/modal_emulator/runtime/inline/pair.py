"""
The two threads that every container of threads has, as the event loop sees them.

The loop's side alone holds state. The threads take what they are to do from a queue and say what
happened by callbacks on the loop, always in a context that belongs to no container.
"""

import asyncio
import errno
import os
import signal
import threading
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.backend import Command, Exit, Plan
from modal_emulator.runtime.executing import Running
from modal_emulator.runtime.inline.console import wrap_streams
from modal_emulator.runtime.inline.executing import execute
from modal_emulator.runtime.inline.here import Here
from modal_emulator.runtime.inline.idle import Idle
from modal_emulator.runtime.inline.killing import Abandoned, break_in
from modal_emulator.runtime.inline.leftover import alive
from modal_emulator.runtime.inline.offspring import end_programs
from modal_emulator.runtime.inline.place import Place
from modal_emulator.runtime.inline.program import Programs
from modal_emulator.runtime.inline.spawning import belong, home, hush
from modal_emulator.runtime.inline.usher import Usher
from modal_emulator.runtime.output import Lines, Output
from modal_emulator.runtime.seccomp import Filter
from modal_emulator.runtime.watcher import Watcher

__all__ = ["Pair"]

_PATIENCE = 3.0
_LAST_STEPS = 10.0
_LAST_BREATH = 0.5
"""Seconds in which a thread that runs Python meets an interrupt, however busy the machine is."""

Answer = TypeVar("Answer")


class Pair:
    """The keeper and the main thread of one container."""

    def __init__(
        self,
        plan: Plan,
        place: Place,
        programs: Programs,
        usher: Usher,
        on_gone: Callable[[Here], None],
    ) -> None:
        """`on_gone` is called before the plan's `on_exit`."""
        self._plan, self._place, self._usher, self._on_gone = plan, place, usher, on_gone
        self._filter: Filter | None = None
        self._loop = asyncio.get_running_loop()
        self.here = Here(
            plan.container_id, dict(plan.environment), self._hear, outlets=self._open_outlets
        )
        self.here.die = self._die
        self._program = Idle() if plan.bare else programs(plan, self.here)
        self._running: set[Running] = set()
        self._lines = {number: Lines(partial(plan.on_output, number)) for number in (1, 2)}
        self._outlets: tuple[int, int] | None = None
        self._close_outlets: Callable[[], object] | None = None
        self._opening, self._is_over = threading.Lock(), False
        self._outputs: list[Output] = []
        self._loop_thread = threading.get_ident()
        self._orders: SimpleQueue[Callable[[], None] | Exit] = SimpleQueue()
        # Daemons: a program that never returns must not keep the interpreter from ending.
        self._keeper = Thread(target=self._keep, name=f"{plan.container_id} keeper", daemon=True)
        self._main = Thread(target=self._work, name=f"{plan.container_id} main", daemon=True)
        self._waiting: set[asyncio.Future[Any]] = set()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._left: asyncio.Future[None] = self._loop.create_future()
        self._rested: asyncio.Future[None] = self._loop.create_future()
        self._is_silent = True
        self._giving_up: asyncio.Task[None] | None = None

    @property
    def has_left(self) -> bool:
        """True when nothing of its place is there any more."""
        return self._gone.done()

    async def start(self) -> None:
        """
        Make the place and enter it.

        Raises:
            EmulatorError: the machine refuses; nothing is left.
        """
        self._keeper.start()
        try:
            await self._ready
        except (OSError, ValueError) as error:
            why = f"container {self._plan.container_id}: {type(error).__name__}: {error}"
            raise EmulatorError(why) from error
        except asyncio.CancelledError:
            self._die(_killed())
            raise

    async def ask(self, order: Callable[[Place], Answer]) -> Answer:
        """
        Have the keeper do something, and return what comes of it.

        Raises:
            EmulatorError: it failed, or the container has ended.
        """
        answer: asyncio.Future[Answer] = self._loop.create_future()
        if self._gone.done():
            raise self._ended()
        self._waiting.add(answer)
        self._orders.put(partial(self._obey, order, answer))
        try:
            return await answer
        except (OSError, ValueError, KeyError) as error:
            why = f"container {self._plan.container_id}: {type(error).__name__}: {error}"
            raise EmulatorError(why) from error
        finally:
            self._waiting.discard(answer)

    async def execute(self, command: Command) -> Running:
        """
        Run a command in the container.

        Raises:
            Conflict: it cannot be started.
            EmulatorError: the container has ended.
        """
        if self._gone.done():
            raise self._ended()
        try:
            running = await execute(self.here, self._plan.working_directory, command)
        except OSError as error:
            raise self._ended() from error
        self._running = {each for each in self._running if not each.is_over} | {running}
        if self._gone.done():
            self._end_commands()
        return running

    def when_rested(self, callback: Callable[[], object]) -> None:
        """Call back when its keeper has nothing to do any more."""
        self._rested.add_done_callback(lambda _: callback())

    async def rested(self) -> None:
        """Return when its keeper has nothing to do any more."""
        await self._rested

    def terminate(self) -> None:
        """Have the program end in order; nothing to do when it has ended."""
        if not self._gone.done():
            self._program.interrupt()
            self._loop.call_later(_PATIENCE, self._give_up, context=Context())

    def _give_up(self) -> None:
        """Do not wait for a thread that no interrupt reaches; nothing would change that."""
        if not self._gone.done() and self._program.is_deaf():
            self._giving_up = asyncio.ensure_future(self.kill())

    async def kill(self) -> None:
        """
        End the container; returns when it is told and its main thread has ended.

        One that waits in C goes on.
        """
        if not self._gone.done():
            self._die(_killed())
            await asyncio.shield(self._gone)
        await self.left()

    async def left(self) -> None:
        """Return when its main thread has ended, or waits in C though it was killed."""
        await asyncio.shield(self._left)

    def _die(self, ended: Exit) -> None:
        """From any thread: from now on nothing that the container does counts."""
        self.here.kill.come()
        self._orders.put(ended)

    def _let_go(self, _kept: object = None) -> None:
        """On the loop: what the container leaves is settled; if it was killed, threads may end."""
        if self.here.kill.has_come:
            self.here.kill.let_go(self._break_off)

    def _break_off(self) -> None:
        self._program.abandon()
        main = self._main
        for thread in alive(self.here):
            hush(thread)
            if thread is not main and thread.ident is not None:
                break_in(thread.ident, Abandoned)

    def _meet(self, *, may_end: bool = True) -> None:
        """From any thread, at a step of the container's code."""
        kill = self.here.kill
        if kill.has_come and home() is self.here:
            kill.meet() if may_end else kill.stand()

    def _hear(self, number: int, piece: bytes) -> None:
        """From any thread: take output."""
        if self.here.kill.has_come:
            return
        outlets = self._outlets
        if outlets is None or threading.get_ident() == self._loop_thread:
            self._tell(self._feed, number, piece)
            return
        while piece:  # in one line with what programs write there
            piece = piece[os.write(outlets[number - 1], piece) :]

    def _open_outlets(self) -> tuple[int, int]:
        """From any thread: return the pipes for programs, made for the first one."""
        if self._outlets is not None:
            return self._outlets
        with self._opening:
            if self._is_over:
                raise BrokenPipeError(errno.EPIPE, str(self._ended()))
            if self._outlets is None:
                pipes = os.pipe(), os.pipe()
                self._tell(self._listen, pipes[0][0], pipes[1][0])
                self._outlets = pipes[0][1], pipes[1][1]
                self._close_outlets = weakref.finalize(self, _close, *self._outlets)
            return self._outlets

    def _listen(self, *pipes: int) -> None:
        for number, pipe in enumerate(pipes, 1):
            self._lines[number].flush()
            self._outputs.append(Output(pipe, partial(self._plan.on_output, number)))

    def _feed(self, number: int, piece: bytes) -> None:
        if not self._is_over:
            self._lines[number].feed(piece)

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        """From any thread: have the loop call back, outside any container."""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(callback, *arguments, context=Context())

    def _keep(self) -> None:
        try:
            if self._plan.source_address:
                self._filter = self._usher.filter(self._plan.source_address)
            self._place.build()
        except BaseException as error:
            self._tell(self._fail, error)
            self._tell(_settle, self._left, None, None)
            self._tell(_settle, self._rested, None, None)
            return
        self._main.start()
        while not isinstance(order := self._orders.get(), Exit):
            order()
        if not self.here.kill.has_come:
            self._main.join()  # it gave this order with its last breath
        with suppress(OSError):
            end_programs(self.here)
        with suppress(OSError):
            self._place.leave()
        self._tell(self._finish, order)
        self.here.kill.wait()
        self._join()
        self._tell(_settle, self._left, None, None)
        with suppress(OSError):
            self._place.remove()
        self._tell(_settle, self._rested, None, None)

    def _join(self) -> None:
        """Wait for threads: those of a container that was killed are on their way, or in C."""
        has_held = self.here.kill.has_held
        self._main.join(_LAST_STEPS if has_held else _LAST_BREATH)
        others = alive(self.here) if has_held else ()
        for thread in others:
            thread.join(_LAST_BREATH / len(others))

    def _obey(self, order: Callable[[Place], Answer], answer: "asyncio.Future[Answer]") -> None:
        try:
            result = order(self._place)
        except BaseException as error:
            self._tell(_settle, answer, None, error)
        else:
            self._tell(_settle, answer, result, None)

    def _work(self) -> None:
        belong(self.here)
        wrap_streams()
        code = 1
        try:
            if self._filter is not None:
                self._filter.install()
            self._place.enter()
            if self._plan.sight is not None:
                self.here.watcher = Watcher(self._plan.mounts, self._plan.sight, self._meet)
        except BaseException as error:
            self._tell(self._fail, error)
        else:
            self._tell(self._begin)
            try:
                code = self._program.run()
            except BaseException:
                self._hear(2, traceback.format_exc().encode())
        self._orders.put(Exit(code))

    def _begin(self) -> None:
        self._is_silent = self._ready.cancelled()
        _settle(self._ready, None, None)

    def _fail(self, error: BaseException) -> None:
        if not self._main.ident:
            self._gone.set_result(None)
        _settle(self._ready, None, error)

    def _finish(self, ended: Exit) -> None:
        # Whoever waits for `start` is to know the container before it hears of its end.
        self._loop.call_soon(self._conclude, ended, context=Context())

    def _end_commands(self) -> None:
        for running in self._running:
            running.ended(_killed())
        self._running.clear()

    def _conclude(self, ended: Exit) -> None:
        self._end_commands()
        self._close_outputs()
        self._gone.set_result(None)
        for answer in self._waiting:
            _settle(answer, None, self._ended())
        kept = None
        try:
            if not self._is_silent:
                self._on_gone(self.here)
                kept = self._plan.on_exit(ended)
        finally:
            if kept is None:
                self._let_go()
            else:  # till then its threads must not write, not even what they have in buffers
                kept.add_done_callback(self._let_go)

    def _close_outputs(self) -> None:
        for lines in self._lines.values():
            lines.flush()
        for output in self._outputs:
            output.finish()
        with self._opening:
            self._is_over, self._outlets = True, None
        # A thread that goes on may just write there: then the numbers must not be another file's.
        if self._close_outlets is not None and not alive(self.here):
            self._close_outlets()

    def _ended(self) -> EmulatorError:
        return EmulatorError(f"container {self._plan.container_id}: the container has ended")


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


def _killed() -> Exit:
    return Exit(None, signal.SIGKILL)


def _settle(answer: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)

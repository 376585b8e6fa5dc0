"""
The two threads that every container of threads has, as the event loop sees them.

The loop's side alone holds state. The threads take what they are to do from a queue and say what
happened by callbacks on the loop, always in a context that belongs to no container.
"""

import asyncio
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.backend import Exit, Plan
from modal_emulator.runtime.inline.here import HERE, Here
from modal_emulator.runtime.inline.place import Place
from modal_emulator.runtime.inline.program import Programs
from modal_emulator.runtime.output import Lines

__all__ = ["Pair"]

Answer = TypeVar("Answer")


class Pair:
    """The keeper and the main thread of one container."""

    def __init__(
        self, plan: Plan, place: Place, programs: Programs, on_gone: Callable[[], None]
    ) -> None:
        """`on_gone` is called before the plan's `on_exit`."""
        self._plan, self._place, self._on_gone = plan, place, on_gone
        self._loop = asyncio.get_running_loop()
        self.here = Here(plan.container_id, dict(plan.environment), self._hear)
        self._program = programs(plan, self.here)
        self._lines = {number: Lines(partial(plan.on_output, number)) for number in (1, 2)}
        self._orders: SimpleQueue[Callable[[], None] | Exit] = SimpleQueue()
        # Daemons: a program that never returns must not keep the interpreter from ending.
        self._keeper = Thread(target=self._keep, name=f"{plan.container_id} keeper", daemon=True)
        self._main = Thread(target=self._work, name=f"{plan.container_id} main", daemon=True)
        self._waiting: set[asyncio.Future[Any]] = set()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._is_silent = True

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
            self._orders.put(_killed())
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

    def terminate(self) -> None:
        """Have the program end in order; nothing to do when it has ended."""
        if not self._gone.done():
            self._program.interrupt()

    async def kill(self) -> None:
        """End the container; returns when it is told, though a thread of it may go on."""
        if not self._gone.done():
            self._orders.put(_killed())
            self._program.abandon()
            await asyncio.shield(self._gone)

    def _hear(self, number: int, piece: bytes) -> None:
        """From any thread: take output."""
        self._tell(self._lines[number].feed, piece)

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        """From any thread: have the loop call back, outside any container."""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(callback, *arguments, context=Context())

    def _keep(self) -> None:
        try:
            self._place.build()
        except BaseException as error:
            self._tell(self._fail, error)
            return
        self._main.start()
        while not isinstance(order := self._orders.get(), Exit):
            order()
        if order.signal is None:
            self._main.join()  # it gave this order with its last breath
        with suppress(OSError):
            self._place.leave()
        self._tell(self._finish, order)

    def _obey(self, order: Callable[[Place], Answer], answer: "asyncio.Future[Answer]") -> None:
        try:
            result = order(self._place)
        except BaseException as error:
            self._tell(_settle, answer, None, error)
        else:
            self._tell(_settle, answer, result, None)

    def _work(self) -> None:
        HERE.set(self.here)
        self.here.threads.add(self._main)
        code = 1
        try:
            self._place.enter()
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

    def _conclude(self, ended: Exit) -> None:
        for lines in self._lines.values():
            lines.flush()
        self._gone.set_result(None)
        for answer in self._waiting:
            _settle(answer, None, self._ended())
        if not self._is_silent:
            self._on_gone()
            self._plan.on_exit(ended)

    def _ended(self) -> EmulatorError:
        return EmulatorError(f"container {self._plan.container_id}: the container has ended")


def _killed() -> Exit:
    return Exit(None, signal.SIGKILL)


def _settle(answer: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)

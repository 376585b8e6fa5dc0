"""
One container of processes, as the server sees it.

Holds the line to its warden, reads its output, and knows when nothing of it is left: the
warden has ended (with a process namespace, then everything in it has too) and the pipes are
read to their end.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from modal_emulator.ground.errors import Conflict, EmulatorError
from modal_emulator.runtime.backend import Command, Exit, OpenFiles, Plan
from modal_emulator.runtime.errand import Errand
from modal_emulator.runtime.executing import Running
from modal_emulator.runtime.job import Isolation, Job
from modal_emulator.runtime.lines import Line, Message
from modal_emulator.runtime.output import Output
from modal_emulator.runtime.sight_line import SightLine

__all__ = ["Cell", "Spawns"]


class Spawns(Protocol):
    """Starts the warden of a container."""

    async def spawn(self, isolation: Isolation, files: Sequence[int]) -> None:
        """
        Start one with these open files: its line to the server and two outputs.

        Raises:
            ConnectionError: who starts it died; whether it was started is not known.
            EmulatorError: none can be started.
        """
        ...


class Cell:
    """The processes of one container."""

    def __init__(
        self, plan: Plan, job: Job, on_gone: Callable[[], None], on_left: Callable[[], None]
    ) -> None:
        """`on_gone` is called before the plan's `on_exit`, `on_left` when nobody needs it more."""
        self._plan = plan
        self.job = job
        self._on_gone, self._on_left = on_gone, on_left
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._warden: int | None = None
        """A handle on the warden's process, where the system has such handles."""
        self.warden_pid = self._main_pid = 0
        self._outputs: list[Output] = []
        self._sight: SightLine | None = None
        self._running: dict[int, Running] = {}
        self._count = 0
        self._exit: Exit | None = None
        self._last_words: Message = {"failed": "the container has ended"}
        self._asking = asyncio.Lock()
        self._syncs: set[asyncio.Task[None]] = set()
        self._announced: asyncio.Future[Message] = self._loop.create_future()
        self._answer: asyncio.Future[Message] | None = None
        self._is_starting, self._has_ended, self._is_silent = True, False, False
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when no process of the container is left and `on_exit` was called."""

    @property
    def ended_in_order(self) -> bool:
        """Whether its main process came to its end by itself, and the warden to its own."""
        return self._exit is not None and self._exit.clean

    async def start(self, nursery: "Spawns") -> None:
        """
        Fork the container and have it mount; returns when its main process exists.

        Raises:
            ConnectionError: the zygote died; another try is free to use the same directory.
            EmulatorError: it could not be made; nothing of it is left.
        """
        ours, theirs = socket.socketpair()
        pipes = [os.pipe(), os.pipe()]
        self._line = Line(ours, self._on_message, self._on_end)
        self._outputs = [
            Output(read, partial(self._plan.on_output, number))
            for number, (read, _) in enumerate(pipes, 1)
        ]
        try:
            files = [theirs.fileno(), *(write for _, write in pipes)]
            await nursery.spawn(self.job.isolation, files)
        except BaseException:
            self._line.close()
            self._line, self._is_silent, self._is_starting = None, True, False
            self._finish()
            raise
        finally:
            theirs.close()
            for _, write in pipes:
                os.close(write)
        await self._begin()

    async def ask(self, message: Message, files: Sequence[int] = ()) -> Message:
        """
        Have the warden do what `message` says and return its answer.

        Raises:
            OpenFiles: something in the container holds the volume.
            Conflict: it refuses; the text says why.
            EmulatorError: it failed, or the container has ended.
        """
        async with self._asking:
            self._answer = self._loop.create_future()
            if self._line is None:
                self._answer.set_result(self._last_words)
            else:
                with suppress(OSError):  # the end of the line then answers
                    await self._line.send(message, files)
            answer = await self._answer
        if "failed" in answer:
            raise EmulatorError(f"container {self._plan.container_id}: {answer['failed']}")
        if answer.get("busy"):
            raise OpenFiles
        if "refused" in answer:
            raise Conflict(answer["refused"])
        return answer

    async def execute(self, command: Command) -> Running:
        """
        Have the warden start a command.

        Raises:
            Conflict: it cannot be started.
            EmulatorError: the container has ended.
        """
        self._count += 1
        number = self._count
        running = Running(command, partial(self._signal, number))
        self._running[number] = running
        errand = Errand(
            command.arguments,
            command.environment,
            command.working_directory or self.job.working_directory,
            command.terminal is not None,
        )
        order = {"do": "execute", "number": number, "errand": errand.to_values()}
        try:
            await self.ask(order, running.theirs)
        except BaseException:
            self._running.pop(number, None)
            running.abandon()
            raise
        running.begin()
        return running

    async def _signal(self, number: int, signal: int) -> None:
        with suppress(EmulatorError):  # the container has ended, and with it the command
            await self.ask({"do": "signal", "number": number, "signal": signal})

    async def kill(self) -> None:
        """End every process; returns when they are gone."""
        if self.job.isolation is Isolation.PLAIN or self._warden is None:
            await self._say({"do": "kill"})
        else:
            # The kernel ends everything in the warden's process namespace with it.
            try:
                signal.pidfd_send_signal(self._warden, signal.SIGKILL)
            except ProcessLookupError:
                pass
            except PermissionError:  # it is another user's, who made it for us
                await self._say({"do": "kill"})
        await asyncio.shield(self.gone)

    async def _say(self, message: Message) -> None:
        """Tell the warden something that it does not answer."""
        if self._line is not None:
            with suppress(OSError):
                await self._line.send(message)

    async def _begin(self) -> None:
        try:
            self._main_pid = (await self._give_job())["ready"]
            await self._announced
        except BaseException:
            self._is_silent, self._is_starting = True, False
            if self._has_ended:
                self._tell()
            else:
                await self.kill()
            raise
        self._is_starting = False
        if self._has_ended:
            # Whoever waits for `start` is to know the container before it hears of its end.
            self._loop.call_soon(self._tell)

    async def _give_job(self) -> Message:
        order = {"job": self.job.to_values()}
        if self._plan.sight is None or not self.job.seen:
            return await self.ask(order)
        self._sight = SightLine(self._plan.sight)
        with self._sight.theirs as end, self._plan.sight.page.open("rb") as page:
            return await self.ask(order, [end.fileno(), page.fileno()])

    def _on_message(self, message: Message, files: Sequence[int]) -> None:
        if "warden" in message:
            for self._warden in files:
                self._loop.add_reader(self._warden, self._check_gone)
            self.warden_pid = message["warden"]
            self._announced.set_result(message)
        elif "exit" in message:
            self._exit = _exit(message["exit"])
        elif "finished" in message:
            running = self._running.pop(message["finished"], None)
            if running is not None:
                running.ended(_exit(message["code"]))
        elif "sync" in message:
            task = asyncio.ensure_future(self._sync(message["sync"], message["call"]))
            self._syncs.add(task)
            task.add_done_callback(self._syncs.discard)
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(message)
        else:
            self._last_words = message

    async def _sync(self, volume_id: str, call: int) -> None:
        """Have it done while the process that asked waits."""
        try:
            await self._plan.on_sync(volume_id)
            ok = True
        except (EmulatorError, OSError, KeyError):
            ok = False
        with suppress(EmulatorError):  # the container may have ended
            await self.ask({"do": "synced", "call": call, "ok": ok})

    def _on_end(self) -> None:
        self._line = None
        for waiting in (self._announced, self._answer):
            if waiting is not None and not waiting.done():
                waiting.set_result(self._last_words)
        if self._warden is None:
            self._finish()

    def _check_gone(self) -> None:
        """The warden has ended, and with it all that the kernel counts as its own."""
        if self._line is None:
            self._finish()

    def _finish(self) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        for sync in self._syncs:
            sync.cancel()
        if self._warden is not None:
            self._loop.remove_reader(self._warden)
            os.close(self._warden)
            self._warden = None
        if self._exit is None and self._main_pid and self.job.isolation is Isolation.PLAIN:
            # The warden was killed and could not clean up: its main process led this group.
            with suppress(OSError):
                os.killpg(self._main_pid, signal.SIGKILL)
        for running in self._running.values():
            running.ended(Exit(None, signal.SIGKILL))
        self._running.clear()
        for output in self._outputs:
            output.finish()
        if self._sight is not None:
            self._sight.close()
        if not self._is_starting:
            self._tell()

    def _tell(self) -> None:
        try:
            if not self._is_silent:
                self._on_gone()
                needed = self._plan.on_exit(self._exit or Exit(None, signal.SIGKILL))
                if needed is None:
                    self._on_left()
                else:
                    needed.add_done_callback(lambda _: self._on_left())
        finally:
            self.gone.set_result(None)


def _exit(code: int) -> Exit:
    return Exit(code) if code >= 0 else Exit(None, -code)

"""
Containers of one function: how many there are, and which input goes where.

A `Pool` starts containers while inputs wait and none is free, hands inputs to those that ask,
keeps idle ones warm for the scale-down window, and answers for the inputs of a container that
died. It never looks into an input. What a container is made of comes from `Launcher`; how one is
ended early is in `endings`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Exit
from modal_emulator.schedule.calls import Calls, Input, Outcome, State, Status
from modal_emulator.schedule.endings import Endings
from modal_emulator.schedule.pulse import Pulse
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.worker import RESTARTS, WORDLESS, Ending, Launcher, Worker
from modal_emulator.store.apps import Function

__all__ = ["Pool", "PoolLimits"]

# After so many starts in a row that came to nothing, `min_containers` alone starts no other one.
FAILED_STARTS = 3


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds that hold where a function says nothing; times in seconds."""

    max_containers: int = 16
    """Modal's own bound is 4,000 per function; one machine has fewer cores."""
    scaledown_window: float = 60.0  # modal-semantics 5 [doc]
    timeout: float = 300.0  # modal-semantics 5 [doc]
    exit_grace: float = 30.0
    """From the interrupt to the kill, on the emulator's clock (modal-semantics 1.5 [doc])."""


class Pool:
    """The containers and the waiting inputs of one function."""

    def __init__(
        self,
        function: Function,
        calls: Calls,
        launcher: Launcher,
        clock: Clock,
        settling: Settling,
        journal: Journal,
        limits: PoolLimits,
        new_id: Callable[[], str],
    ) -> None:
        self.function = function
        self._calls = calls
        self._launcher = launcher
        self._clock = clock
        self._settling = settling
        self._journal = journal
        self._limits = limits
        self._endings = Endings(clock, limits.exit_grace)
        self._new_id = new_id
        self._waiting: deque[Input] = deque()
        self._pulse = Pulse()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed_starts = 0
        self.workers: dict[str, Worker] = {}
        self._successor: Callable[[Input], None] | None = None
        self.closed = False

    @property
    def backlog(self) -> int:
        """How many inputs wait."""
        return len(self._waiting)

    def submit(self, new: Input) -> None:
        """Queue an input and see that somebody will take it."""
        if self._successor is not None:
            self._successor(new)
            return
        self._waiting.append(new)
        self._pulse.beat()
        self.scale()

    def scale(self) -> None:
        """Start containers for what waits and for `min_containers`."""
        if self.closed:
            return
        spec = self.function.spec
        able = [w for w in self.workers.values() if not w.leaving]
        room = sum(max(0, spec.max_inputs_at_once - len(w.inputs)) for w in able)
        if spec.batch_size:
            room = room * spec.batch_size + sum(w.lingering for w in able)
        short = len(self._waiting) - room
        per = max(1, spec.max_inputs_at_once) * max(1, spec.batch_size)
        wanted = max(0, -(-short // per)) + (spec.buffer_containers if self._waiting else 0)
        if self._failed_starts < FAILED_STARTS:
            wanted = max(wanted, spec.min_containers - len(able))
        most = spec.max_containers or self._limits.max_containers
        # One that leaves still counts: with max_containers=1 the next begins after the exit commit.
        for _ in range(min(wanted, most - len(self.workers))):
            self._start()

    async def take(self, worker: Worker, most: int, linger: float) -> list[Input] | None:
        """
        Give the worker up to `most` inputs, waiting until there are some.

        None tells the worker to leave: it was idle for the scale-down window, or its app ended.
        """
        worker.ready = worker.asking = True
        self._failed_starts = 0
        deadline = self._clock.now() + self._window
        self._settling.changed(worker.container_id)
        try:
            while not worker.leaving:
                if taken := self._pop(worker, most):
                    await self._fill(worker, taken, most, linger)
                    return taken
                if (left := deadline - self._clock.now()) > 0:
                    if not await self._pulse.wait(left, self._clock):
                        deadline = 0.0
                elif worker.inputs or not self._may_shrink():
                    await self._pulse.wait()  # a change of either beats
                else:
                    worker.leaving = True
            if worker.ending in WORDLESS:
                await worker.gone.wait()  # a word now would let it run its exit handlers
            return None
        finally:
            worker.asking = False

    async def _fill(self, worker: Worker, taken: list[Input], most: int, linger: float) -> None:
        """Wait for more inputs of a batch, until it is full or `linger` seconds are over."""
        late = asyncio.ensure_future(self._clock.sleep(linger))
        try:
            while len(taken) < most and not late.done() and not worker.leaving and linger > 0:
                worker.lingering = most - len(taken)
                beat = asyncio.ensure_future(self._pulse.wait())
                await asyncio.wait((late, beat), return_when=asyncio.FIRST_COMPLETED)
                beat.cancel()
                taken += self._pop(worker, most - len(taken))
        finally:
            late.cancel()
            worker.lingering = 0

    def finish(self, done: Input, outcome: Outcome) -> None:
        """Keep an outcome, or begin the next attempt if the function wants one."""
        holder = outcome.container_id or done.container_id
        current = holder == done.container_id and (not holder or done.state is State.RUNNING)
        worker = self.workers.get(holder)
        if worker is not None:
            if current and worker.ending in RESTARTS and outcome.status is Status.TERMINATED:
                return  # async code that is interrupted says "cancelled"; see `exited`
            worker.inputs.discard(done.input_id)
            worker.leaving = worker.leaving or self.function.spec.single_use
            self._settling.changed()  # its other inputs may all be at rest
        if not current or done.state is State.FINISHED:
            return  # it comes after the attempt timed out, was cancelled or was lost
        self._endings.unlimit(done)
        spec = self.function.spec
        failed = outcome.status in (Status.FAILURE, Status.TIMEOUT, Status.INTERNAL_FAILURE)
        if failed and done.state is State.RUNNING and done.attempt < spec.retries:
            self._calls.lose(done)
            delay = min(
                spec.retry_delay * spec.retry_backoff ** (done.attempt - 1), spec.retry_delay_limit
            )
            self._spawn(self._retry(done, delay))
        else:
            self._calls.finish(done, outcome)
        self._pulse.beat()

    def cancel(self, doomed: Input, outcome: Outcome) -> None:
        """End an input; a container that works on it is told through its heartbeat."""
        if doomed.state is State.FINISHED:
            return
        if doomed in self._waiting:
            self._waiting.remove(doomed)
        worker = self.workers.get(doomed.container_id)
        if worker is not None and doomed.state is State.RUNNING:
            worker.cancelled.append(doomed.input_id)
            worker.cancels = True
            worker.pulse.beat()
        self._calls.finish(doomed, outcome)

    def exited(self, worker: Worker, ended: Exit) -> None:
        """The worker's container is gone: answer for its inputs and replace it if need be."""
        self.workers.pop(worker.container_id, None)
        worker.leaving = True
        worker.gone.set()
        worker.pulse.beat()
        self._settling.changed()
        self._journal.add(
            "container.exit",
            container_id=worker.container_id,
            function_id=self.function.function_id,
            code=ended.code,
            signal=ended.signal,
        )
        outcome = self._death(worker, ended)
        self._answer_for(worker, ended, outcome)
        # The SDK's entrypoint reports a failing import or `enter` and then exits with 0.
        if not (worker.ready or worker.ending in RESTARTS or (ended.clean and not worker.failure)):
            self._failed_starts += 1
            # It never got as far as asking: the next one would end the same way.
            while self._waiting:
                self._calls.finish(self._waiting.popleft(), outcome)
        self._pulse.beat()
        self.scale()

    async def close(self, *, at_once: bool = False) -> None:
        """
        End all containers in order: idle ones leave, busy ones are interrupted, late ones killed.

        Every input without an outcome is terminated first.
        """
        self.closed, self._successor = True, None
        self._endings.unlimit_all()
        await asyncio.gather(*(self._close(w, at_once) for w in tuple(self.workers.values())))
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def let_go(self, worker: Worker) -> None:
        """Let a container finish what it works on, and leave."""
        worker.leaving = True
        self._pulse.beat()
        self.scale()

    def interrupt(self, worker: Worker, why: Ending) -> None:
        """Begin to end a container in order; what it works on begins again elsewhere."""
        if why is Ending.PREEMPTED and worker.ending is None:
            self._launcher.preempted(worker)
        self._journal.add("container.interrupt", container_id=worker.container_id, why=why.value)
        worker.leaving = True
        self._spawn(self._endings.interrupt(worker, why))
        self.scale()

    async def kill(self, worker: Worker, why: Ending = Ending.KILLED) -> None:
        """End a container without a word; what it works on fails, or is tried again."""
        await self._endings.kill(worker, why)

    def waiting(self) -> tuple[Input, ...]:
        """Return the inputs that nobody has taken yet."""
        return tuple(self._waiting)

    def update(self, function: Function) -> None:
        """The function's settings changed without a new deployment."""
        self.function = function
        self._pulse.beat()
        self.scale()

    async def drain(self, successor: Callable[[Input], None]) -> None:
        """Let each container leave once it is idle; `successor` takes what waits and is to come."""
        self.closed, self._successor = True, successor
        while self._waiting:
            successor(self._waiting.popleft())
        for worker in tuple(self.workers.values()):
            worker.leaving = True
            if not worker.ready:
                self.interrupt(worker, Ending.CLOSED)
        self._pulse.beat()

    @property
    def _window(self) -> float:
        return self.function.spec.scaledown_window or self._limits.scaledown_window

    def _may_shrink(self) -> bool:
        staying = sum(1 for w in self.workers.values() if not w.leaving)
        return staying > self.function.spec.min_containers

    def _pop(self, worker: Worker, most: int) -> list[Input]:
        taken: list[Input] = []
        while self._waiting and len(taken) < most and not worker.leaving:
            taken.append(self._waiting.popleft())
        for new in taken:
            self._calls.take(new, worker.container_id)
            worker.inputs.add(new.input_id)
            timeout = self.function.spec.timeout or self._limits.timeout
            self._endings.limit(new, timeout, self._time_out)
        return taken

    def _start(self) -> None:
        worker = Worker(self._new_id(), self, self._clock.now())
        self.workers[worker.container_id] = worker
        self._pulse.beat()  # with one more, another may leave
        self._spawn(self._launch(worker))

    async def _launch(self, worker: Worker) -> None:
        try:
            worker.container = await self._launcher.launch(worker)
        except Exception as error:
            self._journal.add(
                "container.failed", container_id=worker.container_id, error=repr(error)
            )
            worker.failure = worker.failure or self._launcher.failure(worker, Exit(1))
            self.exited(worker, Exit(1))
            return
        worker.started_at = self._clock.now()
        self._journal.add(
            "container.start",
            container_id=worker.container_id,
            function_id=self.function.function_id,
        )
        if self.closed or worker.ending is not None:
            await worker.container.kill()

    async def _retry(self, waiting: Input, delay: float) -> None:
        await self._clock.sleep(delay)
        if waiting.state is State.WAITING:
            self._calls.requeue(waiting)
            self.submit(waiting)

    def _time_out(self, running: Input, timeout: float) -> None:
        """End the attempt, and its container with it, for sync code cannot be stopped else."""
        worker = self.workers.get(running.container_id)
        result = self._launcher.timed_out(running, timeout)
        now = self._clock.now()
        self.finish(
            running,
            Outcome(Status.TIMEOUT, result, 0, running.container_id, running.taken_at, now),
        )
        if worker is not None:
            self.interrupt(worker, Ending.TIMED_OUT)

    async def _close(self, worker: Worker, at_once: bool) -> None:
        worker.leaving = True
        busy = bool(worker.inputs) or not worker.ready
        self._pulse.beat()
        if worker.container is None:
            return
        if at_once:
            await worker.container.kill()
        elif busy:
            await self._endings.interrupt(worker, Ending.CLOSED)
        else:
            await self._endings.outlast(worker)

    def _answer_for(self, worker: Worker, ended: Exit, outcome: Outcome) -> None:
        """Let what a container left undone begin again, or fail."""
        # Of several inputs at once, sync code that is cancelled takes its container along, "causing
        # concurrently running inputs to be rescheduled" (SDK:_container_entrypoint.py).
        again = worker.ending in RESTARTS or (worker.cancels and ended.clean)
        over = self.closed and self._successor is None
        for input_id in sorted(worker.inputs, reverse=True):
            undone = self._calls.input(input_id)
            if not again or over or undone.state is not State.RUNNING:
                self.finish(undone, outcome)
                continue
            self._endings.unlimit(undone)
            self._calls.restart(undone)
            if self._successor is not None:
                self._successor(undone)
            else:
                self._waiting.appendleft(undone)

    def _death(self, worker: Worker, ended: Exit) -> Outcome:
        """Return what is said of the inputs of a container that is gone."""
        result = worker.failure or self._launcher.failure(worker, ended)
        status = Status.INIT_FAILURE if worker.failure else Status.FAILURE
        now = self._clock.now()
        return Outcome(status, result, 0, worker.container_id, worker.started_at, now)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

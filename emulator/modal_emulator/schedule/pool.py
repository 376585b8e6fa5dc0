"""
Containers of one function: begun, ended, and answered for.

A `Pool` starts containers while inputs wait and none is free, decides what becomes of an input
when its attempt is over, and answers for the inputs of a container that died. It never looks into
an input. How many containers there should be is in `scaling`, who takes which input in `handout`,
when an attempt is late or due in `attempts`, how a container is ended early in `endings`. What one
is made of comes from `Launcher`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import Conflict
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Exit
from modal_emulator.schedule.attempts import Attempts
from modal_emulator.schedule.calls import Calls, Input, Outcome, State, Status
from modal_emulator.schedule.crashes import Crashes
from modal_emulator.schedule.endings import Endings
from modal_emulator.schedule.handout import Handout
from modal_emulator.schedule.limits import PoolLimits
from modal_emulator.schedule.placing import Place
from modal_emulator.schedule.scaling import to_start
from modal_emulator.schedule.serving import Serving
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.worker import RESTARTS, Ending, Launcher, Worker
from modal_emulator.store.apps import Function

__all__ = ["Pool"]


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
        serving: Serving,
    ) -> None:
        self.function = function
        self._serving = serving
        self._calls = calls
        self._launcher = launcher
        self._clock = clock
        self._settling = settling
        self._journal = journal
        self._limits = limits
        self._endings = Endings(clock, limits.exit_grace)
        self._new_id = new_id
        self._attempts = Attempts(calls, clock)
        self._inputs = Handout(clock, settling, self._begin, self._may_shrink)
        self._tasks: set[asyncio.Task[None]] = set()
        self._crashes = Crashes(clock)
        self.workers: dict[str, Worker] = {}
        self._successor: Callable[[Input], None] | None = None
        self.closed = False

    @property
    def is_outdated(self) -> bool:
        """True once a newer version of the app has taken over."""
        return self._successor is not None

    @property
    def backlog(self) -> int:
        """How many inputs wait."""
        return len(self._inputs)

    def submit(self, new: Input) -> None:
        """Queue an input and see that somebody will take it."""
        if self._successor is not None:
            self._successor(new)
            return
        self._inputs.put(new)
        self._place(new)
        self.scale()

    def asking(self) -> list[Worker]:
        """Return the containers that wait for an input, in the order in which they began."""
        return [w for w in self.workers.values() if w.asking and not w.leaving]

    def may_grow(self) -> bool:
        """Say whether it may have another container."""
        return len(self.workers) < (
            self.function.spec.max_containers or self._limits.max_containers
        )

    def scale(self) -> None:
        """Start containers for what waits and for `min_containers`."""
        if self.closed or self._crashes.forbid_a_start:
            return
        wanted = to_start(
            self.function.spec,
            self._limits,
            self.workers.values(),
            len(self._inputs),
            keeps_warm=self._crashes.are_few,
        )
        for _ in range(wanted):
            place = self._launcher.place(self.function)
            if place is None:
                return  # who brings a region up asks again
            self._start(place)

    async def take(self, worker: Worker, most: int, linger: float) -> list[Input] | None:
        """
        Give the worker up to `most` inputs, waiting until there are some.

        None tells the worker to leave: it was idle for the scale-down window, or its app ended.
        """
        if not worker.ready:
            worker.ready = True
            worker.came_up()
            self._crashes.forget()
        window = self.function.spec.scaledown_window or self._limits.scaledown_window
        return await self._inputs.take(worker, most, linger, window)

    def finish(self, done: Input, outcome: Outcome) -> None:
        """Keep an outcome, or begin the next attempt if the function wants one."""
        holder = outcome.container_id or done.container_id
        current = holder == done.container_id and (not holder or done.state is State.RUNNING)
        worker = self.workers.get(holder)
        if worker is not None:
            if current and worker.ending in RESTARTS and outcome.status is Status.TERMINATED:
                return  # async code that is interrupted says "cancelled"; see `exited`
            worker.inputs.discard(done.input_id)
            if (over := worker.doomed.pop(done.input_id, None)) is not None:
                over.set()
            worker.leaving = worker.leaving or self.function.spec.single_use
            self._settling.changed()  # its other inputs may all be at rest
        if not current or done.state is State.FINISHED:
            return  # it comes after the attempt timed out, was cancelled or was lost
        self._attempts.unlimit(done)
        spec = self.function.spec
        failed = outcome.status in (Status.FAILURE, Status.TIMEOUT, Status.INTERNAL_FAILURE)
        if failed and done.state is State.RUNNING and done.attempt < spec.retries:
            self._spawn(self._attempts.again(done, spec, self.submit))
        else:
            self._calls.finish(done, outcome)
        self._inputs.beat()

    def cancel(self, doomed: Input, outcome: Outcome) -> None:
        """End an input; a container that works on it is told through its heartbeat."""
        if doomed.state is State.FINISHED:
            return
        self._inputs.remove(doomed)
        self._attempts.unlimit(doomed)
        worker = self.workers.get(doomed.container_id)
        if worker is not None and doomed.state is State.RUNNING and worker.ending is None:
            self._tell(worker, doomed)
        self._calls.finish(doomed, outcome)

    def exited(self, worker: Worker, ended: Exit) -> None:
        """The worker's container is gone: answer for its inputs and replace it if need be."""
        self.workers.pop(worker.container_id, None)
        self._inputs.keep_nothing_for(worker)
        worker.leaving = True
        worker.gone.set()
        worker.came_up()
        for over in worker.doomed.values():
            over.set()
        worker.pulse.beat()
        self._settling.changed()
        self._journal.add(
            "container.exit",
            container_id=worker.container_id,
            function_id=self.function.function_id,
            code=ended.code,
            signal=ended.signal,
            why=worker.ending.value if worker.ending else "",
        )
        outcome = self._death(worker, ended)
        self._answer_for(worker, ended, outcome)
        # The SDK's entrypoint reports a failing import or `enter` and then exits with 0.
        in_order = worker.ending in RESTARTS or ended.clean
        if not worker.ready and (worker.failure or not in_order):
            self._crashed(worker, outcome)
        self._inputs.beat()
        self.scale()

    async def close(self, *, at_once: bool = False) -> None:
        """
        End all containers in order: idle ones leave, busy ones are interrupted, late ones killed.

        Every input without an outcome is terminated first.
        """
        self.closed, self._successor = True, None
        self._attempts.unlimit_all()
        await asyncio.gather(*(self._close(w, at_once) for w in tuple(self.workers.values())))
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def let_go(self, worker: Worker) -> None:
        """Let a container finish what it works on, and leave."""
        worker.leaving = True
        self._inputs.beat()
        self.scale()

    def interrupt(self, worker: Worker, why: Ending) -> None:
        """
        Begin to end a container in order; what it works on begins again elsewhere.

        Raises:
            Conflict: it was to be preempted, and its function is not preemptible.
        """
        if why is Ending.PREEMPTED and self.function.spec.placement.nonpreemptible:
            raise Conflict(f"function '{self.function.tag}' is nonpreemptible")
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
        return tuple(self._inputs)

    def update(self, function: Function) -> None:
        """The function's settings changed without a new deployment."""
        self.function = function
        self._inputs.beat()
        self.scale()

    async def drain(self, successor: Callable[[Input], None]) -> None:
        """Let each container leave once it is idle; `successor` takes what waits and is to come."""
        self.closed, self._successor = True, successor
        for waiting in self._inputs.drain():
            successor(waiting)
        for worker in tuple(self.workers.values()):
            worker.leaving = True
            if not worker.ready:
                self.interrupt(worker, Ending.CLOSED)
        self._inputs.beat()

    def _may_shrink(self) -> bool:
        staying = sum(1 for w in self.workers.values() if not w.leaving)
        return staying > self.function.spec.min_containers

    def _begin(self, new: Input, worker: Worker) -> None:
        self._calls.take(new, worker.container_id)
        worker.inputs.add(new.input_id)
        self._journal.add(
            "input.taken",
            input_id=new.input_id,
            call_id=new.call_id,
            function_id=new.function_id,
            container_id=worker.container_id,
        )
        timeout = self.function.spec.timeout or self._limits.timeout
        self._attempts.limit(new, timeout, self._time_out)

    def _place(self, new: Input) -> None:
        """Keep an input for the container that is to have it, if anybody chooses."""
        if self._serving.choose is None or not (asking := self.asking()):
            return
        worker = self._serving.choose(self.function, asking)
        if worker is None and self.may_grow() and (place := self._launcher.place(self.function)):
            worker = self._start(place)
        if worker is not None:
            self._inputs.keep_for(new, worker)

    def _start(self, place: Place) -> Worker:
        worker = Worker(self._new_id(), self, self._clock.now(), place)
        self.workers[worker.container_id] = worker
        self._inputs.beat()  # with one more, another may leave
        self._spawn(self._launch(worker))
        return worker

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
            region=worker.place.region if worker.place else "",
            cloud=worker.place.cloud if worker.place else "",
        )
        if self.closed or worker.ending is not None:
            await worker.container.kill()
            return
        if not worker.ready and not worker.gone.is_set():
            timeout = self.function.spec.startup_timeout or self._limits.timeout
            late = partial(self._started_late, worker, timeout)
            worker.startup = self._clock.after(timeout, late)

    def _started_late(self, worker: Worker, timeout: float) -> None:
        if worker.ending is None:
            worker.failure = worker.failure or self._launcher.started_late(worker, timeout)
            self._spawn(self.kill(worker, Ending.TIMED_OUT))

    def _crashed(self, worker: Worker, outcome: Outcome) -> None:
        """A container came to nothing: try another one later, or let what waits fail."""
        self._crashes.count()
        if self._launcher.keeps_trying(worker):
            self._spawn(self._try_again(self._crashes.put_off()))
        elif self._crashes.in_a_row >= self._limits.failed_starts:
            for waiting in self._inputs.drain():
                self._calls.finish(waiting, outcome)

    async def _try_again(self, delay: float) -> None:
        await self._clock.sleep(delay)
        self.scale()

    def _tell(self, worker: Worker, ended: Input) -> None:
        """Have a container leave off an input; its next heartbeat says so."""
        worker.cancelled.append(ended.input_id)
        worker.cancels = True
        worker.doomed[ended.input_id], worker.told_at = asyncio.Event(), self._clock.lived()
        worker.pulse.beat()
        self._spawn(self._endings.see_off(worker, ended.input_id))

    def _time_out(self, running: Input, timeout: float) -> None:
        """
        End the attempt as a cancellation does, which is what the log shows on Modal.

        A container that works on one input at a time leaves then [guess]; of several at once, it is
        the SDK that decides.
        """
        worker = self.workers.get(running.container_id)
        result = self._launcher.timed_out(running, timeout)
        now = self._clock.now()
        self.finish(
            running,
            Outcome(Status.TIMEOUT, result, 0, running.container_id, running.taken_at, now),
        )
        if worker is None or worker.ending is not None:
            return
        if self.function.spec.max_inputs_at_once <= 1:
            worker.leaving, worker.ending = True, Ending.TIMED_OUT
        self._tell(worker, running)
        self.scale()

    async def _close(self, worker: Worker, at_once: bool) -> None:
        worker.leaving = True
        busy = bool(worker.inputs) or not worker.ready
        self._inputs.beat()
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
            self._attempts.unlimit(undone)
            self._calls.restart(undone)
            if self._successor is not None:
                self._successor(undone)
            else:
                self._inputs.put_first(undone)

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

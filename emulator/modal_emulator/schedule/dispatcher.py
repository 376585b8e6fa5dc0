"""
Which pool serves a function, from its first call until its app stops.

The dispatcher owns the pools. It brings inputs to them, finds the pool of a container, and ends
all pools of an app. Ephemeral apps live as long as their client sends heartbeats.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.schedule.calls import Calls, FunctionCall, Input, Outcome, State
from modal_emulator.schedule.limits import PoolLimits
from modal_emulator.schedule.logs import Logs
from modal_emulator.schedule.pool import Pool
from modal_emulator.schedule.serving import Serving
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.worker import Ending, Launcher, Worker
from modal_emulator.store.apps import Apps, AppState, Function

__all__ = ["Dispatcher"]

# How long an ephemeral app outlives its client's last heartbeat (sent every 15 s by the SDK).
# Modal's own figure is unknown [guess].
HEARTBEAT_GRACE = 60.0


class Dispatcher:
    """Owns the pools of all live functions."""

    def __init__(
        self,
        apps: Apps,
        calls: Calls,
        logs: Logs,
        launcher: Launcher,
        clock: Clock,
        settling: Settling,
        ids: Ids,
        journal: Journal,
        limits: PoolLimits,
    ) -> None:
        self._apps = apps
        self._calls = calls
        self._logs = logs
        self._launcher = launcher
        self._clock = clock
        self._settling = settling
        self._ids = ids
        self._journal = journal
        self._limits = limits
        self._pools: dict[str, Pool] = {}
        self._draining: list[Pool] = []
        self._heartbeats: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.serving = Serving()
        """Who says which container serves an input."""
        settling.watch(self.workers)

    def pool(self, function_id: str) -> Pool:
        """Return the pool of this function, made at the first need."""
        pool = self._pools.get(function_id)
        if pool is None or pool.closed:
            function = self._apps.function(function_id)
            if not self._apps.get(function.app_id).live:
                raise NotFound(f"App with ID '{function.app_id}' is stopped")
            pool = self._new_pool(function)
            self._pools[function_id] = pool
        return pool

    def worker(self, container_id: str) -> Worker:
        """Return the container by its id."""
        for pool in self._all():
            if container_id in pool.workers:
                return pool.workers[container_id]
        raise NotFound(f"No Container with ID '{container_id}' found")

    def workers(self, app_id: str = "") -> list[Worker]:
        """Return the containers of an app, or all."""
        return [
            w
            for pool in self._all()
            if app_id in ("", pool.function.app_id)
            for w in pool.workers.values()
        ]

    def submit(
        self, call: FunctionCall, index: int, payload: bytes, by: str | None = None
    ) -> Input:
        """
        Add an input to a call and queue it.

        `by` is the container that calls, empty for a client outside, None for a schedule.
        """
        pool = self.pool(call.function_id)
        new = self._calls.add_input(call, index, payload)
        self._journal.add(
            "input.queued",
            input_id=new.input_id,
            function_id=call.function_id,
            call_id=call.call_id,
            container_id=by,
        )
        pool.submit(new)
        return new

    def check_room(self, call: FunctionCall) -> None:
        """
        See whether the function may have another input of this call.

        Raises:
            Exhausted: it has too many.
        """
        self._calls.load.check((call.function_id, call.is_spawned), self._limits)

    def finish(self, input_id: str, outcome: Outcome) -> None:
        """Bring an outcome home."""
        done = self._calls.input(input_id)
        self._journal.add(
            "input.finished",
            input_id=input_id,
            status=outcome.status.name,
            call_id=done.call_id,
            container_id=outcome.container_id,
        )
        self._holding(done).finish(done, outcome)

    def cancel(self, call: FunctionCall, outcome: Outcome) -> None:
        """End all inputs of a call that have no outcome yet."""
        call.cancelled = True
        for doomed in call.inputs:
            self._holding(doomed).cancel(doomed, outcome)

    def end_containers(self, call: FunctionCall) -> None:
        """End the containers that work on a call; whatever else they work on begins again."""
        held = {i.input_id for i in call.inputs}
        for worker in self.workers():
            if not held.isdisjoint(worker.inputs):
                worker.pool.interrupt(worker, Ending.STOPPED)

    def heartbeat(self, app_id: str) -> None:
        """The client of this app is there."""
        self._heartbeats[app_id] = self._clock.lived()

    def scale(self, app_id: str) -> None:
        """Start what `min_containers` of the app's published functions asks for."""
        for function_id in self._apps.get(app_id).function_ids.values():
            if self._apps.function(function_id).spec.min_containers:
                self.pool(function_id).scale()

    def rescale(self) -> None:
        """Start what could not be started before."""
        for pool in self._all():
            pool.scale()

    async def replace(self, app_id: str, terminated: Callable[[], Outcome]) -> None:
        """
        A new version was published: the containers there are leave once they are idle.

        This is the rolling deployment; what waits is handed to containers of the new version, or
        terminated if its function is no more [guess].
        """
        for function_id, pool in tuple(self._pools.items()):
            if pool.function.app_id != app_id or pool.function.version:
                continue
            del self._pools[function_id]
            self._draining.append(pool)
            await pool.drain(partial(self._hand_on, function_id, terminated))

    async def stop_app(self, app_id: str, terminated: Callable[[], Outcome], by: str = "") -> None:
        """End the app: terminate its inputs, let its containers exit in order, close its logs."""
        self._heartbeats.pop(app_id, None)
        self._journal.add("app.stopping", app_id=app_id)
        pools = [p for p in self._all() if p.function.app_id == app_id]
        self._apps.stop(app_id, by)
        for pool in pools:
            for waiting in pool.waiting():
                pool.cancel(waiting, terminated())
            for input_id in [i for worker in pool.workers.values() for i in worker.inputs]:
                if (running := self._calls.input(input_id)).state is not State.FINISHED:
                    self._calls.finish(running, terminated())
        await asyncio.gather(*(pool.close() for pool in pools))
        for pool in pools:
            self._pools.pop(pool.function.function_id, None)
        self._draining = [p for p in self._draining if p not in pools]
        self._logs.close(app_id)

    def outlive(self, app_id: str, terminated: Callable[[], Outcome]) -> None:
        """The client of a detached app is gone: let its calls end, and then the app."""
        self._heartbeats.pop(app_id, None)
        self._apps.set_state(app_id, AppState.DETACHED_DISCONNECTED)
        task = asyncio.ensure_future(self._outlive(app_id, terminated))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def reap(self, terminated: Callable[[], Outcome]) -> None:
        """Stop the apps and cancel the calls whose client is gone; runs until cancelled."""
        while True:
            await self._clock.live(HEARTBEAT_GRACE / 12)
            for call in self._calls.deserted(self._limits.caller_grace):
                self.cancel(call, terminated())
            for app_id, seen in tuple(self._heartbeats.items()):
                app = self._apps.get(app_id)
                if self._clock.lived() - seen <= HEARTBEAT_GRACE:
                    continue
                if app.state is AppState.DETACHED:
                    self.outlive(app_id, terminated)
                elif app.state is AppState.EPHEMERAL:
                    # The words are Modal's (modal-semantics 5 [observed]).
                    self._logs.add(app_id, "Stopping app - local client disconnected.\n")
                    await self.stop_app(app_id, terminated)

    def renew(self) -> None:
        """The clock leaves the machine's time: let those finish and leave who cannot follow."""
        for worker in self.workers():
            if worker.keeps_machine_time:
                worker.pool.let_go(worker)

    async def close(self) -> None:
        """End every container at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(pool.close(at_once=True) for pool in self._all()))
        self._pools.clear()
        self._draining.clear()

    def _hand_on(self, function_id: str, terminated: Callable[[], Outcome], waiting: Input) -> None:
        try:
            pool = self.pool(function_id)
        except NotFound:
            self._calls.finish(waiting, terminated())
        else:
            pool.submit(waiting)

    async def _outlive(self, app_id: str, terminated: Callable[[], Outcome]) -> None:
        while self._apps.get(app_id).live:
            functions = {p.function.function_id for p in self._all() if p.function.app_id == app_id}
            calls = (call for function in functions for call in self._calls.of_function(function))
            unfinished = next((call for call in calls if call.is_at_work()), None)
            if unfinished is None:
                await self.stop_app(app_id, terminated)
            else:
                await unfinished.pulse.wait()

    def _all(self) -> tuple[Pool, ...]:
        self._draining = [p for p in self._draining if p.workers]
        return (*self._pools.values(), *self._draining)

    def _holding(self, held: Input) -> Pool:
        for pool in self._all():
            if held.container_id and held.container_id in pool.workers:
                return pool
        return self.pool(held.function_id)

    def _new_pool(self, function: Function) -> Pool:
        return Pool(
            function,
            self._calls,
            self._launcher,
            self._clock,
            self._settling,
            self._journal,
            self._limits,
            lambda: self._ids.ordered("ta", self._clock.now()),
            self.serving,
        )

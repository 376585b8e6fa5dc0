"""
Sandboxes: containers that run a command of somebody's choice, and more commands beside it.

A Sandbox is over when its first command ends, when somebody terminates it, when it was there for
its timeout or idle for its idle timeout, or when its app ends; times run on the emulator's clock.
Its volumes are then committed, whatever ended it: nothing inside could do that, so the platform
does (modal-semantics 1.5, 1.12). What its container is made of is known to `outfits`.
"""

import asyncio
import codecs
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import AlreadyExists, Conflict, EmulatorError, NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.journal import Journal
from modal_emulator.runtime.backend import Container, Exit
from modal_emulator.schedule.commits import Commits
from modal_emulator.schedule.executed import STDERR, STDOUT, Executed, Order
from modal_emulator.schedule.executions import Executions
from modal_emulator.schedule.logs import Logs
from modal_emulator.schedule.network import Network
from modal_emulator.schedule.sandbox import Ended, Sandbox, SandboxSpec, Why
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.tunnels import Tunnel
from modal_emulator.store.apps import App, Apps
from modal_emulator.store.history import Committer

__all__ = ["Outfitter", "Sandboxes"]

_REMEMBERED = 256
_NOT_FOUND = 127  # of a command, as shells have it [guess]
_TIMED_OUT, _KILLED = 124, 137  # modal-semantics 7


_CODES = {Why.TERMINATED: _KILLED, Why.TIMEOUT: _TIMED_OUT, Why.IDLE_TIMEOUT: _TIMED_OUT}
"""That of an idle one is a guess: 124 was seen of Sandboxes that had died [observed]."""


class Outfitter(Protocol):
    """Makes the containers of Sandboxes."""

    async def start(
        self, sandbox: Sandbox, on_exit: "Callable[[Exit], asyncio.Future[list[None]] | None]"
    ) -> Container:
        """
        Start the container, with nothing in it.

        Raises:
            EmulatorError: it cannot be made; nothing is left.
        """
        ...

    def left(self, sandbox: Sandbox) -> None:
        """The container is gone."""
        ...


class Sandboxes:
    """Knows all Sandboxes."""

    def __init__(
        self,
        *,
        apps: Apps,
        outfitter: Outfitter,
        executions: Executions,
        commits: Commits,
        network: Network,
        logs: Logs,
        clock: Clock,
        settling: Settling,
        ids: Ids,
        journal: Journal,
    ) -> None:
        self._apps = apps
        self._outfitter = outfitter
        self._executions = executions
        self._commits = commits
        self._network = network
        self._logs = logs
        self._clock = clock
        self._settling = settling
        self._ids = ids
        self._journal = journal
        self._all: dict[str, Sandbox] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        apps.listen(self._app_changed)
        executions.listen(self._stirred)

    async def create(
        self, app_id: str, spec: SandboxSpec, tags: Mapping[str, str], *, newer: bool
    ) -> Sandbox:
        """
        Make a Sandbox and start it; `newer` gives it ids of the shape that V2 has.

        One that cannot be started ends at once, and says why.

        Raises:
            Conflict: the app is stopped.
            AlreadyExists: one of this name runs in the app; the text beyond "already exists" is a
                guess (modal-semantics 7 [live-test]).
        """
        app = self._apps.get(app_id)
        if not app.live:
            raise Conflict(f"App with ID '{app_id}' is stopped")
        self._check_name(app_id, spec.name)
        now = self._clock.now()
        sandbox_id = self._ids.ordered("sb", now) if newer else self._ids.mint("sb")
        container_id = self._ids.ordered("ta", now) + ("V" if newer else "")
        sandbox = Sandbox(sandbox_id, container_id, app_id, spec, tags, now)
        self._all[sandbox_id] = sandbox
        self._forget_old()
        with self._settling.busy(f"sandbox {sandbox_id} starts"):
            await asyncio.shield(self._spawn(self._start(sandbox)))
        return sandbox

    def get(self, sandbox_id: str) -> Sandbox:
        """Return a Sandbox by its id."""
        try:
            return self._all[sandbox_id]
        except KeyError:
            # In the shape of Modal's other texts for ids (modal-semantics 8.1); a guess.
            raise NotFound(f"No Sandbox with ID '{sandbox_id}' found") from None

    def in_container(self, container_id: str) -> Sandbox | None:
        """Return the Sandbox that runs in this container."""
        return next((s for s in self.running() if s.container_id == container_id), None)

    def named(self, app_id: str, name: str, *, also_ended: bool = False) -> Sandbox:
        """Return the running Sandbox of this name, or the one that ended last."""
        found = [s for s in self._all.values() if (s.app_id, s.name) == (app_id, name)]
        found = [s for s in found if s.running] or (found if also_ended else [])
        if not found:
            raise NotFound(f"Sandbox '{name}' not found")
        return found[-1]

    def running(self) -> list[Sandbox]:
        """Return those that run, oldest first."""
        return [s for s in self._all.values() if s.running and s.container is not None]

    def all(self) -> list[Sandbox]:
        """Return those that run and those that ended a while ago, oldest first."""
        return list(self._all.values())

    def rename(self, sandbox: Sandbox, name: str) -> None:
        """Give it another name. Raises as `create`."""
        self._check_name(sandbox.app_id, name)
        sandbox.name = name

    def terminate(self, sandbox: Sandbox) -> None:
        """Begin to end it."""
        self._end(sandbox, Why.TERMINATED)

    async def give(self, sandbox: Sandbox, data: bytes, offset: int, *, eof: bool) -> None:
        """Write to its first command's input; raises as `Executed.give`."""
        self._rearm(sandbox)
        await self.main(sandbox).give(data, offset, eof=eof)

    async def give_message(self, sandbox: Sandbox, index: int, data: bytes, *, eof: bool) -> None:
        """Write what comes by numbers of messages; raises as `Executed.give`."""
        self._rearm(sandbox)
        await self.main(sandbox).give_message(index, data, eof=eof)

    def main(self, sandbox: Sandbox) -> Executed:
        """Return its first command."""
        assert sandbox.main is not None  # whoever knows its id has waited for its start
        return sandbox.main

    async def tunnels(self, sandbox: Sandbox) -> Mapping[int, Tunnel]:
        """Return its open ports; they are opened when somebody asks for the first time."""
        async with sandbox.opening:
            for port, with_plain, offers_h2 in sandbox.spec.ports:
                if port not in sandbox.tunnels:
                    sandbox.tunnels[port] = await self._network.forward(
                        sandbox.container_id, port, with_plain=with_plain, offers_h2=offers_h2
                    )
        return sandbox.tunnels

    async def close(self) -> None:
        """End every Sandbox."""
        for sandbox in self.running():
            self.terminate(sandbox)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _start(self, sandbox: Sandbox) -> None:
        spec = sandbox.spec
        try:
            sandbox.container = await self._outfitter.start(sandbox, partial(self._left, sandbox))
        except EmulatorError as error:
            self._outfitter.left(sandbox)
            self._stillborn(sandbox, error, 1)
            self._over(sandbox, Ended(Why.INIT_FAILURE, 1, error.message))
            return
        self._commits.started(sandbox.container, partial(self._who, sandbox))
        self._journal.add("sandbox.start", sandbox_id=sandbox.sandbox_id)
        sandbox.timers["timeout"] = self._clock.after(
            spec.timeout, partial(self._end, sandbox, Why.TIMEOUT)
        )
        self._rearm(sandbox)
        order = Order(spec.arguments or ("sleep", "infinity"), terminal=spec.terminal)
        try:
            sandbox.main = await self._executions.start(
                sandbox.container, f"{sandbox.sandbox_id}/main", order, self._log(sandbox)
            )
        except EmulatorError as error:
            self._stillborn(sandbox, error, _NOT_FOUND)
            self._end(sandbox, Why.FAILURE, Ended(Why.FAILURE, _NOT_FOUND, error.message))
            return
        self._spawn(self._outlast(sandbox, sandbox.main))

    def _stillborn(self, sandbox: Sandbox, error: EmulatorError, code: int) -> None:
        """Who reads its output finds why its first command never ran."""
        text = f"{error.message}\n"
        sandbox.main = Executed(f"{sandbox.sandbox_id}/main", sandbox.container_id, Order(()))
        sandbox.main.heard(STDERR, text.encode())
        sandbox.main.ended(Exit(code))
        self._logs.add(sandbox.app_id, text, STDERR, container_id=sandbox.container_id)

    async def _outlast(self, sandbox: Sandbox, main: Executed) -> None:
        """With its first command it ends, together with all others."""
        await main.wait()
        code = main.exit_code or 0
        why = Why.FAILURE if code else Why.SUCCESS
        self._end(sandbox, why, Ended(why, code))

    def _end(self, sandbox: Sandbox, why: Why, how: Ended | None = None) -> None:
        if not sandbox.running:
            return
        sandbox.why = why
        for timer in sandbox.timers.values():
            timer.cancel()
        self._spawn(self._finish(sandbox, how or Ended(why, _CODES[why])))

    async def _finish(self, sandbox: Sandbox, how: Ended) -> None:
        with self._settling.busy(f"sandbox {sandbox.sandbox_id} ends"):
            if sandbox.container is not None:
                await sandbox.container.kill()
                await self._commits.kept(sandbox.container_id)
            self._over(sandbox, how)

    def _left(self, sandbox: Sandbox, ended: Exit) -> "asyncio.Future[list[None]] | None":
        """Its container is gone: by our hand, or by a fault that a test has ordered."""
        is_ours = sandbox.why is not None
        keeping = self._commits.ended(sandbox.container_id, abrupt=not is_ours, final=is_ours)
        self._outfitter.left(sandbox)
        if not is_ours:
            self._end(sandbox, Why.FAILURE, Ended(Why.FAILURE, 128 + (ended.signal or 0)))
        return keeping

    def _over(self, sandbox: Sandbox, how: Ended) -> None:
        sandbox.ended = how
        sandbox.finished_at = self._clock.now()
        self._journal.add(
            "sandbox.exit",
            sandbox_id=sandbox.sandbox_id,
            container_id=sandbox.container_id,
            why=how.why.name,
            code=how.code,
        )
        sandbox.over.beat()

    def _rearm(self, sandbox: Sandbox) -> None:
        """It is not idle just now."""
        if not sandbox.spec.idle_timeout or not sandbox.running:
            return
        if timer := sandbox.timers.pop("idle", None):
            timer.cancel()
        # A command that runs in it keeps it from being idle; its first one does not
        # (modal-semantics 7 [observed]).
        others = self._executions.running(sandbox.container_id, but=f"{sandbox.sandbox_id}/main")
        if not others:
            sandbox.timers["idle"] = self._clock.after(
                sandbox.spec.idle_timeout, partial(self._end, sandbox, Why.IDLE_TIMEOUT)
            )

    def _stirred(self, container_id: str) -> None:
        if sandbox := self.in_container(container_id):
            self._rearm(sandbox)

    def _log(self, sandbox: Sandbox) -> Callable[[int, bytes], None]:
        """What its first command writes is also in the logs of its app."""
        decoders = {
            number: codecs.getincrementaldecoder("utf-8")(errors="replace")
            for number in (STDOUT, STDERR)
        }

        def heard(number: int, data: bytes) -> None:
            if text := decoders[number].decode(data):
                self._logs.add(sandbox.app_id, text, number, container_id=sandbox.container_id)

        return heard

    def _who(self, sandbox: Sandbox, via: str) -> Committer:
        return Committer(container_id=sandbox.container_id, function=sandbox.sandbox_id, via=via)

    def _check_name(self, app_id: str, name: str) -> None:
        if name and any((s.app_id, s.name) == (app_id, name) and s.running for s in self.all()):
            raise AlreadyExists(f"Sandbox with name '{name}' already exists")

    def _app_changed(self, app: App) -> None:
        if not app.live:
            for sandbox in self.running():
                if sandbox.app_id == app.app_id:
                    self.terminate(sandbox)

    def _forget_old(self) -> None:
        ended = [s for s in self._all.values() if s.ended is not None]
        for sandbox in ended[:-_REMEMBERED]:
            del self._all[sandbox.sandbox_id]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

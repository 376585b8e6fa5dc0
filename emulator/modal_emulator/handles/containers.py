"""
A test's hand on the containers that run.

It is used from any thread and does its work on the event loop of the World that it came from. It
decides nothing: how a container ends is in `schedule/endings`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from modal_emulator.ground.errors import Conflict
from modal_emulator.ground.journal import Event
from modal_emulator.schedule.logs import LogFilter
from modal_emulator.schedule.worker import Ending, Worker
from modal_emulator.world import World

__all__ = ["ContainerHandle", "first_container", "running_containers"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class ContainerHandle:
    """One container."""

    def __init__(self, run: Run, world: World, worker: Worker) -> None:
        self._run = run
        self._world = world
        self._worker = worker
        self._app = world.apps.get(worker.pool.function.app_id)

    def __repr__(self) -> str:
        return f"<container {self.container_id} of {self.function!r} in app {self.app!r}>"

    @property
    def container_id(self) -> str:
        """The id, as in the container's MODAL_TASK_ID."""
        return self._worker.container_id

    @property
    def function(self) -> str:
        """The function's name; for a class, the class's."""
        return self._worker.pool.function.tag.removesuffix(".*")

    @property
    def app(self) -> str:
        """The app's name; empty if it has none."""
        return self._app.name or self._app.description

    @property
    def region(self) -> str:
        """Where it runs, as in the container's MODAL_REGION."""
        return self._worker.place.region if self._worker.place else ""

    @property
    def cloud(self) -> str:
        """Whose region that is: aws, gcp or oci."""
        return self._worker.place.cloud if self._worker.place else ""

    @property
    def zone(self) -> str:
        """The zone that its function asks for; empty if it asks for none."""
        return self._worker.place.zone if self._worker.place else ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The ids of what it works on now."""
        return tuple(sorted(self._worker.inputs))

    @property
    def is_gone(self) -> bool:
        """Say whether it has ended."""
        return self._worker.gone.is_set()

    def kill(self, *, oom: bool = False) -> None:
        """
        Kill it without a word, as a crash or, with `oom`, the want of memory does.

        Returns when it is gone and its inputs have failed, or are to be tried again.
        """
        why = Ending.OUT_OF_MEMORY if oom else Ending.KILLED
        self._run(self._worker.pool.kill(self._worker, why))

    def preempt(self) -> None:
        """
        Begin to take it away as Modal does: interrupt, grace, kill; its inputs begin again.

        Raises:
            Conflict: its function is `nonpreemptible`.
        """
        if self._worker.pool.function.spec.placement.nonpreemptible:
            raise Conflict(f"{self!r} is nonpreemptible: Modal does not take it away")
        self._run(self._interrupt(Ending.PREEMPTED))

    def stop(self) -> None:
        """Do as `modal container stop` does: interrupt; its inputs begin again."""
        self._run(self._interrupt(Ending.STOPPED))

    def wait(self, timeout: float = 60.0) -> None:
        """
        Return once it is gone.

        Raises:
            TimeoutError: it is still there.
        """
        self._run(_within(timeout, self._worker.gone.wait(), f"{self!r} is still there"))

    def wait_for_output(self, text: str, timeout: float = 60.0) -> None:
        """
        Return once it has printed this text.

        Raises:
            TimeoutError: it has not, and is still there.
            LookupError: it has ended without.
        """
        self._run(_within(timeout, self._heard(text), f"{self!r} did not print {text!r}"))

    async def _interrupt(self, why: Ending) -> None:
        self._worker.pool.interrupt(self._worker, why)

    async def _heard(self, text: str) -> None:
        logs, wanted = self._world.logs, LogFilter(container_id=self.container_id)
        gone = asyncio.ensure_future(self._worker.gone.wait())
        try:
            while text not in "".join(x.text for x in logs.read(self._app.app_id, 0, wanted)):
                if gone.done():
                    raise LookupError(f"{self!r} ended without printing {text!r}")
                more = logs.next(self._app.app_id)
                await asyncio.wait((more, gone), return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
        finally:
            gone.cancel()


def running_containers(
    run: Run, world: World, function: str | None, app: str | None
) -> tuple[ContainerHandle, ...]:
    """Return the containers that run, the oldest first; call it on the event loop."""
    found = [
        ContainerHandle(run, world, worker)
        for worker in world.dispatcher.workers()
        if worker.container is not None and not worker.gone.is_set()
    ]
    return tuple(
        one
        for one in sorted(found, key=lambda each: each.container_id)
        if function in (None, one.function, one.function.rpartition(".<locals>.")[2])
        and app in (None, one.app)
    )


async def first_container(
    run: Run, world: World, function: str, app: str | None, timeout: float
) -> ContainerHandle:
    """
    Return the oldest container of a function, waiting until there is one.

    Raises:
        TimeoutError: there is none.
    """
    came = asyncio.Event()

    def hear(_event: Event) -> None:
        came.set()

    forget = world.journal.listen(hear, "container.start")
    try:
        while not (found := running_containers(run, world, function, app)):
            came.clear()
            await _within(timeout, came.wait(), f"no container of {function!r} is running")
    finally:
        forget()
    return found[0]


async def _within(timeout: float, work: Coroutine[Any, Any, object], otherwise: str) -> None:
    try:
        # With none at all, not even what is done already would be noticed.
        await asyncio.wait_for(work, max(timeout, 0.01))
    except asyncio.TimeoutError:
        raise TimeoutError(f"{otherwise} after {timeout:g} s") from None

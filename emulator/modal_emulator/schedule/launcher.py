"""
From a function to a running container.

Gathers what a container is made of (image, local files, secrets, volumes, the SDK's arguments, a
socket of its own), hands the plan to the backend, and brings what it prints and how it ends to
where that is kept.
"""

import asyncio
import codecs
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from modal_emulator.ground.steps import Kind, Step
from modal_emulator.runtime.backend import Backend, Capability, Container, Exit, Limits, Plan
from modal_emulator.runtime.environ import container_environment
from modal_emulator.schedule.calls import Calls, Input
from modal_emulator.schedule.commits import Commits, MountPoint
from modal_emulator.schedule.eyesight import Eyesight
from modal_emulator.schedule.faults import Faults
from modal_emulator.schedule.handed import Handed
from modal_emulator.schedule.heirs import Heirs
from modal_emulator.schedule.logs import Logs
from modal_emulator.schedule.network import Network, Seat
from modal_emulator.schedule.placing import Place, Placing
from modal_emulator.schedule.skews import Skews
from modal_emulator.schedule.steps import Steps
from modal_emulator.schedule.worker import Ending, Worker
from modal_emulator.store.app import AppState
from modal_emulator.store.apps import Apps, Function
from modal_emulator.store.history import Committer
from modal_emulator.store.images import Images
from modal_emulator.store.mounts import Mounts

__all__ = ["ContainerLauncher", "Door", "Translator"]


class Door(Protocol):
    """Where the server listens for one container."""

    async def open(self, container_id: str) -> Path:
        """Listen on a unix socket for this container only."""
        ...

    def close(self, container_id: str) -> None:
        """Stop listening for it."""
        ...


class Translator(Protocol):
    """Makes the messages that pass through here without being understood."""

    def arguments(self, function: Function, container_id: str, environment: str) -> bytes:
        """Return the ContainerArguments of the SDK's entrypoint, serialised."""
        ...

    def not_started(self, why: str) -> bytes:
        """Return a serialised GenericResult saying that the container could not be started."""
        ...

    def died(self, ended: Exit, why: Ending | None) -> bytes:
        """Return a GenericResult for the inputs of a container that died, serialised."""
        ...

    def timed_out(self, input_id: str, timeout: float) -> bytes:
        """Return a GenericResult for an input that took too long, serialised."""
        ...

    def started_late(self, timeout: float) -> bytes:
        """Return a GenericResult for inputs of a container that did not come up, serialised."""
        ...

    def is_final(self, failure: bytes) -> bool:
        """Say whether a container that failed so would always fail so here."""
        ...

    def terminated(self) -> bytes:
        """Return a GenericResult for an input that was cancelled, serialised."""
        ...

    def no_arguments(self) -> tuple[int, bytes]:
        """Return how a function is called without arguments: a way of calling and an input."""
        ...

    def words(self, result: bytes) -> str:
        """Return what a serialised GenericResult says went wrong, or nothing."""
        ...


class ContainerLauncher:
    """Makes containers out of functions."""

    def __init__(
        self,
        *,
        apps: Apps,
        calls: Calls,
        images: Images,
        mounts: Mounts,
        handed: Handed,
        commits: Commits,
        logs: Logs,
        network: Network,
        placing: Placing,
        steps: Steps,
        eyesight: Eyesight,
        backend: Backend,
        clock_page: Callable[[], Path | None],
        faults: Faults,
        skews: Skews,
        door: Door,
        translator: Translator,
        heirs: Heirs,
    ) -> None:
        self._apps = apps
        self._calls = calls
        self._images = images
        self._mounts = mounts
        self._handed = handed
        self._commits = commits
        self._logs = logs
        self._network = network
        self._placing = placing
        self._steps = steps
        self._eyesight = eyesight
        self._backend = backend
        self._clock_page = clock_page
        self._faults = faults
        self._skews = skews
        self._door = door
        self._translator = translator
        self._heirs = heirs

    def place(self, function: Function) -> Place | None:
        """Choose where the next container of a function is."""
        return self._placing.place(function.function_id, function.spec.placement)

    async def launch(self, worker: Worker) -> Container:
        """Start a container for this worker."""
        tag = worker.pool.function.tag.removesuffix(".*")
        step = Step(Kind.START, worker.container_id, tag)
        return await self._steps.take(step, partial(self._launch, worker))

    async def _launch(self, worker: Worker) -> Container:
        function = worker.pool.function
        by_socket = self._backend.by_socket
        socket = await self._door.open(worker.container_id) if by_socket else None
        try:
            page = self._page(worker)
            worker.keeps_machine_time = by_socket and page is None
            seat = self._network.enter(
                worker.container_id, proxy_id=function.spec.proxy_id, offers=self._backend.offers
            )
            plan = self._plan(worker, function, socket, page, seat)
            container = await self._backend.start(plan)
        except BaseException as error:
            self._commits.ended(worker.container_id)
            self._eyesight.close(worker.container_id)
            self._network.leave(worker.container_id)
            self._door.close(worker.container_id)
            why = f"The container could not be started: {error}"
            worker.failure = self._translator.not_started(why)
            self._logs.add(
                function.app_id,
                f"{why}\n",
                container_id=worker.container_id,
                function_id=function.function_id,
            )
            raise
        self._commits.started(container, self._who(worker))
        return container

    def failure(self, worker: Worker, ended: Exit) -> bytes:
        """Say that the container died."""
        return self._translator.died(ended, worker.ending)

    def timed_out(self, lost: Input, timeout: float) -> bytes:
        """Say that the input took too long, in the log in Modal's words, too."""
        function = self._apps.function(lost.function_id)
        result = self._translator.timed_out(lost.input_id, timeout)
        # modal-semantics 5 [observed]
        why = self._translator.words(result)
        self._logs.add(
            function.app_id,
            f'Task\'s current input(s) ["{lost.input_id}"] cancelled because: {why}\n',
            container_id=lost.container_id,
            function_id=function.function_id,
            input_id=lost.input_id,
            call_id=lost.call_id,
        )
        return result

    def started_late(self, worker: Worker, timeout: float) -> bytes:
        """Say that a container took too long to start."""
        function = worker.pool.function
        result = self._translator.started_late(timeout)
        self._logs.add(
            function.app_id,
            f"{self._translator.words(result)}\n",
            container_id=worker.container_id,
            function_id=function.function_id,
        )
        return result

    def keeps_trying(self, worker: Worker) -> bool:
        """Say whether the app is deployed and its own code fails (modal-semantics 5 [doc])."""
        app = self._apps.get(worker.pool.function.app_id)
        is_final = bool(worker.failure) and self._translator.is_final(worker.failure)
        # Whoever deploys waits for an image that a function makes.
        is_final = is_final or self._heirs.of(worker.pool.function.function_id) is not None
        return app.state is AppState.DEPLOYED and not is_final

    def preempted(self, worker: Worker) -> None:
        """Tell the user, in Modal's words (modal-semantics 5 [observed])."""
        self._logs.add(
            worker.pool.function.app_id,
            "Runner interrupted due to worker preemption. "
            "Your Function will be restarted with the same input.\n",
            container_id=worker.container_id,
            function_id=worker.pool.function.function_id,
        )

    def _plan(
        self,
        worker: Worker,
        function: Function,
        socket: Path | None,
        page: Path | None,
        seat: Seat,
    ) -> Plan:
        spec = function.spec
        app = self._apps.get(function.app_id)
        image = self._images.get(spec.image_id) if spec.image_id else None
        has_image = image is not None and Capability.IMAGES in self._backend.offers
        # Of an image that was not built, the local environment stands for all but this.
        copied = image.copied if image and not has_image else ()
        look = self._eyesight.look(worker.container_id, self._step_of(worker))
        return Plan(
            container_id=worker.container_id,
            arguments=self._translator.arguments(function, worker.container_id, app.environment),
            environment=container_environment(
                image=image.environment if image and not has_image else {},
                secrets=self._handed.environment(worker.container_id, spec.secret_ids),
                container_id=worker.container_id,
                image_id=spec.image_id,
                environment_name=app.environment,
                region=worker.place.region if worker.place else "",
                cloud=worker.place.cloud if worker.place else "",
                base={} if has_image else None,
            ),
            image=spec.image_id,
            has_web=bool(spec.web),
            mounts=self._commits.prepare(worker.container_id, _points(function)),
            files=tuple(self._mounts.tree(i) for i in (*spec.mount_ids, *copied)),
            working_directory=(image.working_directory if image else "") or "/root",
            socket=socket,
            stamps=partial(self._skews.stamps, worker.container_id),
            clock_page=page,
            address=seat.address,
            source_address=seat.source_address,
            on_output=self._output(worker),
            on_sync=partial(self._commits.sync, worker.container_id),
            on_exit=self._exit(worker),
            limits=Limits(spec.memory_limit, spec.cpu_limit),
            sight=look,
            heir=self._heirs.of(function.function_id),
        )

    def _step_of(self, worker: Worker) -> Callable[[Step], Step]:
        function = worker.pool.function.tag.removesuffix(".*")

        def complete(step: Step) -> Step:
            running = self._current(worker)
            return step._replace(
                container_id=worker.container_id,
                function=function,
                call_id=running.call_id if running else "",
                version=self._commits.version(worker.container_id, step.object_id),
            )

        return complete

    def _page(self, worker: Worker) -> Path | None:
        """Return where a process finds the clock, which may be off for this container."""
        tag = worker.pool.function.tag.removesuffix(".*")
        worker.skew = self._faults.skew(worker.container_id, tag)
        if not worker.skew:
            return self._clock_page() if self._backend.by_socket else None
        page = self._skews.begin(worker.container_id, worker.skew)
        return page if self._backend.by_socket else None

    def _output(self, worker: Worker) -> Callable[[int, bytes], None]:
        """Decode what comes in pieces, so that a character split between two stays whole."""
        decoders = {
            number: codecs.getincrementaldecoder("utf-8")(errors="replace") for number in (1, 2)
        }
        function = worker.pool.function

        def heard(descriptor: int, data: bytes) -> None:
            text = decoders[descriptor].decode(data)
            running = self._current(worker)
            if text:
                self._logs.add(
                    function.app_id,
                    text,
                    descriptor,
                    container_id=worker.container_id,
                    function_id=function.function_id,
                    input_id=running.input_id if running else "",
                    call_id=running.call_id if running else "",
                )

        return heard

    def _exit(self, worker: Worker) -> "Callable[[Exit], asyncio.Future[list[None]] | None]":
        def left(ended: Exit) -> "asyncio.Future[list[None]] | None":
            self._eyesight.close(worker.container_id)
            worker.leaving = True
            # In the middle of an input, and nobody asked for it: an `os._exit`, however clean.
            abrupt = not ended.clean or (bool(worker.inputs) and worker.ending is None)
            keeping = self._commits.ended(worker.container_id, abrupt=abrupt)
            if keeping is None:
                self._over(worker, ended)
            else:  # who hears of the end finds the volumes as the end left them
                keeping.add_done_callback(lambda _: self._over(worker, ended))
            return keeping

        return left

    def _over(self, worker: Worker, ended: Exit) -> None:
        self._network.leave(worker.container_id)
        worker.pool.exited(worker, ended)
        self._door.close(worker.container_id)

    def _who(self, worker: Worker) -> Callable[[str], Committer]:
        def who(via: str) -> Committer:
            running = self._current(worker)
            if via == "commit" and worker.leaving and not worker.inputs:
                via = "exit"  # the SDK commits every volume once nothing is left to do
            return Committer(
                container_id=worker.container_id,
                function=worker.pool.function.tag,
                call=running.call_id if running else "",
                via=via,
            )

        return who

    def _current(self, worker: Worker) -> Input | None:
        """Return what the container works on; with several at once nobody can tell which one."""
        return self._calls.input(next(iter(worker.inputs))) if len(worker.inputs) == 1 else None


def _points(function: Function) -> tuple[MountPoint, ...]:
    return tuple(
        MountPoint(use.volume_id, use.path, use.read_only, use.sub_path)
        for use in function.spec.volumes
    )

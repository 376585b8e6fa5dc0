"""
The program of a container of threads: what the SDK's entrypoint does in a process of its own.

The order is the SDK's ([sdk] _runtime/user_code_imports.py): find or make the user's object, enter,
work on inputs, exit, commit the volumes. What fails before the first input is told as the failure
of the container, and the container then ends without an error of its own.
"""

import asyncio
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from modal_proto import api_pb2

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.inline.crossing import Crossing
from modal_emulator.inline.exchange import Ask
from modal_emulator.inline.job import PICKLE, failure_of
from modal_emulator.inline.naps import Naps
from modal_emulator.inline.post import Post
from modal_emulator.inline.pretence import Manager
from modal_emulator.inline.private import private
from modal_emulator.inline.service import Callee, Service, open_service, open_webs
from modal_emulator.inline.webs import Lifespans
from modal_emulator.inline.work import Work, without_ours
from modal_emulator.runtime.backend import Plan
from modal_emulator.runtime.disk import VOLUMES
from modal_emulator.runtime.inline.here import Here
from modal_emulator.runtime.inline.killing import Abandoned, AbandonedLoop, break_in
from modal_emulator.schedule.settling import Settling

__all__ = ["SdkProgram"]

T = TypeVar("T")

_CANCELS = 5  # of code that goes on after it was cancelled
_UNWINDS = 1.0  # seconds for what does not even hear of it


class _Told(Exception):
    """User code failed before the first input, and the server knows it."""


class SdkProgram:
    """Runs the inputs of one container with the SDK's parts."""

    def __init__(
        self,
        plan: Plan,
        here: Here,
        ask: Ask,
        clock: VirtualClock,
        settling: Settling,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._arguments = api_pb2.ContainerArguments.FromString(plan.arguments)
        self._user_loop = asyncio.new_event_loop()
        home = Crossing(self._user_loop)
        self._post = Post(self._arguments, ask, clock, loop, home)
        self._lifespans = Lifespans(self._user_loop)
        self._work = Work(self._post, self._arguments.task_id, home)
        self._thread = 0
        self._lock = threading.Lock()
        self._entering = self._leaving = self._abandoned = False
        here.environment["MODAL_IS_REMOTE"] = "1"
        here.unlinked = tuple(
            f"{VOLUMES}/{mount.volume_id}" for mount in plan.mounts if mount.view.version == 1
        )
        self._naps = here.naps = Naps(
            plan.container_id,
            clock,
            settling,
            loop,
            self._user_loop,
            self._stopped_here,
            self._work.awaited_by,
            self._work.dozing,
        )
        self._manager = here.manager = Manager(self._arguments, ask, self._post)

    def run(self) -> int:
        """Work until told to leave; returns 0, as the SDK's entrypoint does when all is told."""
        self._thread = threading.get_ident()
        try:
            self._serve()
        except (_Told, KeyboardInterrupt):
            pass
        except Abandoned:
            pass
        finally:
            with self._lock:
                self._leaving = True
            self._post.stop_asking()
        if self._is_abandoned():
            self._lifespans.drop()
            self._drop_tasks()
            return 1
        try:
            self._post.wait(self._post.delivered())
            self._commit()
            self._close_loop()
        except (Abandoned, EmulatorError):
            return 1
        return 0

    def interrupt(self) -> None:
        """End in order; user code that runs meets a KeyboardInterrupt or is cancelled."""
        with self._lock:
            if self._leaving:
                return  # exit handlers are not interrupted
            self._leaving = True
        self._work.interrupt()
        if self._entering:
            break_in(self._thread, self._work.interruption)

    def is_deaf(self) -> bool:
        """Say whether the interrupt has not reached user code: it waits in C."""
        return self._work.is_deaf()

    def abandon(self) -> None:
        """Break off user code wherever Python can."""
        with self._lock:
            self._leaving = self._abandoned = True
            self._work.abandon()
            if self._thread:
                break_in(self._thread, AbandonedLoop if self._user_loop.is_running() else Abandoned)

    def _is_abandoned(self) -> bool:
        """Say whether the container was taken away, and meet the exception that says so here."""
        try:
            with self._lock:
                abandoned = self._abandoned
            for _ in range(2):  # it comes where Python goes back to the head of a loop
                pass
        except Abandoned:
            return True
        return abandoned

    def _stopped_here(self) -> int:
        """Say how many inputs go no further while this thread sleeps."""
        thread = threading.get_ident()
        return self._work.stopped_by(thread, is_main=thread == self._thread)

    def _serve(self) -> None:
        definition = self._arguments.function_def
        service = self._entering_tells(self._enter)
        try:
            callees = self._entering_tells(lambda: self._begin(service))
            self._post.open(callees, self._work.arrive, self._cancel)
            if (definition.max_concurrent_inputs or 1) > 1:
                self._work.many_at_once()
            else:
                self._work.one_by_one()
        finally:
            with self._lock:
                self._leaving = True
            if not self._abandoned:
                try:
                    self._telling(self._lifespans.stop)
                finally:
                    self._telling(lambda: self._call(service.exit))

    def _cancel(self, input_id: str) -> None:
        """
        Break off what works on an input.

        Of several threads, says the SDK, none can be: there the container ends
        ([sdk] _container_entrypoint.py).
        """
        many = (self._arguments.function_def.max_concurrent_inputs or 1) > 1
        if many and self._work.is_synchronous(input_id):
            self.interrupt()
        else:
            self._work.cancel(input_id)

    def _enter(self) -> Service:
        service = open_service(self._arguments)
        self._call(service.enter)
        return service

    def _begin(self, service: Service) -> Mapping[str, Callee]:
        callees, lifespans = open_webs(service, self._manager, self._naps.waiting)
        self._lifespans.start(lifespans)
        return callees

    def _entering_tells(self, work: Callable[[], T]) -> T:
        self._entering = True
        try:
            return self._telling(work)
        finally:
            self._entering = False

    def _call(self, functions: Iterable[Callable[..., Any]]) -> None:
        for function in functions:
            # Old code may take the three arguments of `__exit__`.
            arguments = (None, None, None) if inspect.signature(function).parameters else ()
            result = function(*arguments)
            if inspect.iscoroutine(result):
                self._user_loop.run_until_complete(result)

    def _telling(self, work: Callable[[], T]) -> T:
        """
        Do this and return what comes of it, and tell the server if it fails.

        Raises:
            KeyboardInterrupt: it was interrupted.
        """
        try:
            return work()
        except (KeyboardInterrupt, Abandoned):
            raise
        except BaseException as error:
            error.__traceback__ = without_ours(error.__traceback__)
            traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
            failure = failure_of(error, self._arguments.task_id, PICKLE)
            if isinstance(error, EmulatorError):  # another container would meet the same
                failure.fields["status"] = api_pb2.GenericResult.GENERIC_STATUS_INIT_FAILURE
            self._post.wait(self._post.fail(failure))
            raise _Told from None

    def _commit(self) -> None:
        """Commit, and tell of failures where the SDK tells of them, in its words."""
        log = private("modal.config", "logger")
        for volume_id, error in self._post.wait(self._post.commit()).items():
            log.error(f"modal.Volume background commit failed for {volume_id}. Exception: {error}")

    def _drop_tasks(self) -> None:
        """
        Break off what is left of asynchronous code, here where it belongs.

        Else it would end where Python collects it as garbage, outside of its container.
        """
        dropped: set[asyncio.Task[Any]] = set()
        for _ in range(_CANCELS):
            with suppress(Abandoned):  # once more, as it does not let go
                tasks = asyncio.all_tasks(self._user_loop)
                if not tasks:
                    break
                dropped |= tasks
                for task in tasks:
                    task.cancel()
                self._user_loop.run_until_complete(asyncio.wait(tasks, timeout=_UNWINDS))
        for task in dropped:
            if task.done() and not task.cancelled():
                task.exception()  # nobody is to be told

    def _close_loop(self) -> None:
        for task in asyncio.all_tasks(self._user_loop):
            task.cancel()
        self._user_loop.run_until_complete(self._user_loop.shutdown_asyncgens())
        self._user_loop.run_until_complete(self._user_loop.shutdown_default_executor())
        self._user_loop.close()

"""
Calling user code on a container's main thread: one input at a time, or many at once.

Synchronous code of a function with input concurrency runs on threads that the main thread starts,
asynchronous code on the main thread's event loop, as the SDK has it. An interrupt reaches
synchronous code as KeyboardInterrupt and asynchronous code as a cancelled task.
"""

import asyncio
import contextvars
import queue
import sys
import threading
import traceback
from contextlib import aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from modal_proto import api_pb2

from modal_emulator.inline.breaking import interruption
from modal_emulator.inline.crossing import Crossing
from modal_emulator.inline.job import Answer, Job, answer, failure_of
from modal_emulator.inline.post import Post
from modal_emulator.inline.private import private
from modal_emulator.runtime.inline.console import wrap_streams
from modal_emulator.runtime.inline.killing import Abandoned, break_in

__all__ = ["Work", "without_ours"]

_OURS = str(Path(__file__).parent)
_TERMINATED = Answer(
    b"", api_pb2.DATA_FORMAT_PICKLE, {"status": api_pb2.GenericResult.GENERIC_STATUS_TERMINATED}
)


class Work:
    """The inputs of one container, as they are worked on."""

    def __init__(self, post: Post, task_id: str, home: Crossing) -> None:
        self._post = post
        self._task_id = task_id
        self._home, self._user_loop = home, home.loop
        self._arrived: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._bell: asyncio.Event | None = None
        self._jobs: dict[str, Job] = {}
        self._interrupted = False
        self.interruption, self._is_met = interruption()

    # ------------------------------------------------------- from other threads

    def arrive(self, job: Job | None) -> None:
        """An input is there, or no more will come."""
        if job is not None:
            for item in job.items:
                self._jobs[item.input_id] = job
        self._arrived.put(job)
        if self._bell is not None:
            self._home.tell(self._bell.set)

    def stopped_by(self, thread: int, *, is_main: bool) -> int:
        """Say how many inputs go no further while this thread sleeps."""
        jobs = {id(job): job for job in tuple(self._jobs.values())}.values()
        stopped = [job for job in jobs if job.thread == thread or (is_main and job.task)]
        if is_main and not jobs:
            return 1  # it is only coming, or going
        return sum(len(job.items) for job in stopped)

    def awaited_by(self, task: object) -> int:
        """Say how many inputs go no further while this task of their own loop sleeps."""
        jobs = {id(job): job for job in tuple(self._jobs.values())}.values()
        return sum(len(job.items) for job in jobs if job.task is task)

    def dozing(self) -> list[object] | None:
        """Return the list of what rests of the web function's call that the caller works for."""
        import modal

        job = self._jobs.get(modal.current_input_id() or "")
        return None if job is None or job.exchange is None else job.dozing

    def is_synchronous(self, input_id: str) -> bool:
        """Say whether this input is worked on by code that is not asynchronous."""
        job = self._jobs.get(input_id)
        return job is not None and not job.callee.is_async

    def cancel(self, input_id: str) -> None:
        """Break off what works on this input."""
        from modal.exception import InputCancellation

        if (job := self._jobs.get(input_id)) is not None:
            job.cancelled = True
            self._break(job, InputCancellation)

    def interrupt(self) -> None:
        """Break off everything, and take nothing new."""
        self._interrupted = True
        for job in tuple(self._jobs.values()):
            self._break(job, self.interruption)
        self.arrive(None)

    def is_deaf(self) -> bool:
        """Say whether synchronous code runs that an interrupt has not reached."""
        running = any(job.thread for job in tuple(self._jobs.values()))
        return self._interrupted and running and not self._is_met()

    def abandon(self) -> None:
        """Break off everything; nobody waits for the end."""
        self._interrupted = True
        for job in tuple(self._jobs.values()):
            self._break(job, Abandoned)
        self.arrive(None)

    def _break(self, job: Job, error: type[BaseException]) -> None:
        with job.lock:
            if job.task is not None:
                self._user_loop.call_soon_threadsafe(job.task.cancel)
            elif job.thread:
                break_in(job.thread, error)

    # ------------------------------------------------------- on the main thread

    def one_by_one(self) -> None:
        """
        Work until no more inputs come.

        Raises:
            KeyboardInterrupt: it was interrupted.
        """
        while not self._interrupted and (job := self._arrived.get()) is not None:
            if job.callee.is_async:
                self._user_loop.run_until_complete(self._asynchronous(job))
            else:
                self._synchronous(job)
        if self._interrupted:
            raise KeyboardInterrupt

    def many_at_once(self) -> None:
        """
        Work until no more inputs come, and all that came are done.

        Raises:
            KeyboardInterrupt: it was interrupted; synchronous code may go on for a while.
        """
        self._user_loop.run_until_complete(self._many())
        if self._interrupted:
            raise KeyboardInterrupt

    async def _many(self) -> None:
        self._bell = asyncio.Event()
        tasks: set[asyncio.Future[Any]] = set()
        while not self._interrupted:
            try:
                job = self._arrived.get_nowait()
            except queue.Empty:
                self._bell.clear()
                if self._arrived.empty():
                    await self._bell.wait()
                continue
            if job is None:
                break
            if job.callee.is_async:
                task: asyncio.Future[Any] = asyncio.ensure_future(self._asynchronous(job))
            else:
                task = self._on_a_thread(job)
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        if tasks and not self._interrupted:
            await asyncio.wait(tasks)

    def _on_a_thread(self, job: Job) -> "asyncio.Future[None]":
        done = self._user_loop.create_future()

        def finish() -> None:
            if not done.done():
                done.set_result(None)

        def run() -> None:
            try:
                self._synchronous(job)
            except KeyboardInterrupt:
                pass  # the container is ending
            finally:
                with suppress(RuntimeError):  # the container did not wait, and its loop is closed
                    self._user_loop.call_soon_threadsafe(finish)

        context = contextvars.copy_context()
        name = f"{threading.current_thread().name} {job.items[0].input_id}"
        threading.Thread(target=context.run, args=(run,), name=name, daemon=True).start()
        return done

    def _synchronous(self, job: Job) -> None:
        from modal.exception import InputCancellation

        try:
            try:
                with job.lock:
                    job.thread = threading.get_ident()
                if job.cancelled:
                    raise InputCancellation("Input was cancelled by user")
                with job.identified():
                    answers = self._called(job)
            finally:
                with job.lock:
                    job.thread = 0
        except (KeyboardInterrupt, Abandoned):
            self._forget(job)
            raise
        except (InputCancellation, asyncio.CancelledError):
            _log_cancellation(job)
            answers = [_TERMINATED] * len(job.items)
        except BaseException as error:
            answers = self._failed(job, error)
        self._forget(job)
        self._post.deliver(job, answers)

    def _called(self, job: Job) -> list[Answer]:
        wrap_streams()  # pytest puts others there for each test
        value = job.call()
        if not job.callee.is_generator:
            return [answer(each, job.output_format) for each in job.results(value)]
        count = 0
        for count, item in enumerate(value, 1):
            data = answer(item, job.output_format).data
            self._post.wait(self._post.give(job, count, data))
        return [_generator_done(count)]

    async def _asynchronous(self, job: Job) -> None:
        from modal.exception import InputCancellation

        with job.lock:
            job.task = asyncio.current_task()
        try:
            with job.identified():
                answers = await self._awaited(job)
        except (InputCancellation, asyncio.CancelledError):
            answers = [_TERMINATED] * len(job.items)
        except (KeyboardInterrupt, Abandoned):
            self._forget(job)
            raise
        except BaseException as error:
            answers = self._failed(job, error)
        self._forget(job)
        self._post.deliver(job, answers)

    async def _awaited(self, job: Job) -> list[Answer]:
        if job.cancelled:
            raise asyncio.CancelledError
        wrap_streams()
        value = job.call()
        if not job.callee.is_generator:
            return [answer(each, job.output_format) for each in job.results(await value)]
        count = 0
        async with aclosing(value) as items:
            async for item in items:
                count += 1
                data = answer(item, job.output_format).data
                if job.exchange is not None:
                    await job.exchange.send(data)
                else:
                    given = self._post.start(self._post.give(job, count, data))
                    await asyncio.wrap_future(given)
        return [_generator_done(count)]

    def _failed(self, job: Job, error: BaseException) -> list[Answer]:
        error.__traceback__ = without_ours(error.__traceback__)
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
        failure = failure_of(error, self._task_id, job.output_format)
        return [failure] * len(job.items)

    def _forget(self, job: Job) -> None:
        for item in job.items:
            if self._jobs.get(item.input_id) is job:
                del self._jobs[item.input_id]


def _log_cancellation(job: Job) -> None:
    if job.cancelled:  # and not interrupted; the words are the SDK's
        log = private("modal.config", "logger")
        input_ids = tuple(item.input_id for item in job.items)
        log.warning(f"Received a cancellation signal while processing input {input_ids}")
        log.warning(f"Successfully canceled input {input_ids}")


def without_ours(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame on that is the user's."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace


def _generator_done(count: int) -> Answer:
    done = api_pb2.GeneratorDone(items_total=count)
    return answer(done, api_pb2.DATA_FORMAT_GENERATOR_DONE)

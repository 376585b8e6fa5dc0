"""
Between a container's thread and the server: inputs come, results go, on the server's event loop.

Everything here runs on that loop but the methods that say so. A message is handed over as it is,
without a wire: the container speaks to the same handlers as any other.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextvars import Context
from typing import Any

from modal_proto import api_pb2

from modal_emulator.ground.clock import Clock
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.inline.crossing import Crossing
from modal_emulator.inline.exchange import Ask, Exchange, stub
from modal_emulator.inline.job import Answer, Job, output_item
from modal_emulator.inline.private import private
from modal_emulator.inline.service import Callee
from modal_emulator.rpc.compat import has, known

__all__ = ["Post"]

LOG = logging.getLogger("modal_emulator")
_AT_ONCE = 20  # outputs in one message, as the SDK sends them


class Post:
    """One container's correspondence."""

    def __init__(
        self,
        arguments: api_pb2.ContainerArguments,
        ask: Ask,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        home: Crossing,
    ) -> None:
        self._home, self._server = home, Crossing(loop)
        self._exchanges: dict[str, Exchange] = {}
        self._arguments = arguments
        self._ask = ask
        self._clock = clock
        self._loop = loop
        self._running: set[asyncio.Task[Any]] = set()
        self._deliveries: set[asyncio.Task[Any]] = set()
        definition = arguments.function_def
        most = definition.max_concurrent_inputs or 1
        self._most = self._wanted = most
        self._slots = asyncio.Semaphore(most)
        self._is_asking = True

    # ------------------------------------------------------- from the container's threads

    def open(
        self,
        callees: Mapping[str, Callee],
        arrive: Callable[[Job | None], None],
        cancel: Callable[[str], None],
    ) -> None:
        """Begin to ask for inputs; `arrive` gets each on the loop, and None when no more come."""
        self._begin(self._running, self._feed(callees, arrive))
        self._begin(self._running, self._listen(cancel))

    def deliver(self, job: Job, answers: Sequence[Answer]) -> None:
        """Bring the results home; returns at once."""
        self._begin(self._deliveries, self._deliver(job, answers))

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Have this done on the loop, and return when it is."""
        return self.start(work).result()

    def start(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        """Have this done on the loop."""
        # What the server does belongs to no container, whoever had it done.
        return Context().run(asyncio.run_coroutine_threadsafe, work, self._loop)

    def given(self, call_id: str) -> AsyncIterator[Any]:
        """Return the messages that the call of a web function is given, for the loop of its own."""
        return self._exchanges[call_id].read()

    def finish_up(self) -> None:
        """Ask for no more inputs once the one at hand is done."""
        self._is_asking = False

    @property
    def concurrency(self) -> int:
        """How many inputs are taken at once."""
        return self._wanted

    def set_concurrency(self, wanted: int) -> None:
        """Take so many at once from now on, at most what the function allows."""

        def change() -> None:
            new = min(wanted, self._most)
            for _ in range(new - self._wanted):
                self._slots.release()
            for _ in range(self._wanted - new):  # each when an input is done
                self._begin(self._running, self._withdraw())
            self._wanted = new

        self._loop.call_soon_threadsafe(change, context=Context())

    def stop_asking(self) -> None:
        """Ask for no more inputs, and hear of no more cancellations."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._running])

    # ------------------------------------------------------- on the loop

    async def give(self, job: Job, index: int, data: bytes) -> None:
        """Hand over what a generator gave, the first with index 1."""
        data_format: Any = job.output_format
        chunk = api_pb2.DataChunk(
            data_format=data_format, index=index, **await _placed(data, "data")
        )
        await self._ask(
            "FunctionCallPutDataOut",
            known(
                api_pb2.FunctionCallPutDataRequest,
                function_call_id=job.call_id,
                data_chunks=[chunk],
            ),
        )

    async def fail(self, failure: Answer) -> None:
        """Say that the container could not begin."""
        result = api_pb2.GenericResult(**failure.fields, **await _placed(failure.data, "data"))
        await self._ask("TaskResult", api_pb2.TaskResultRequest(result=result))

    async def commit(self) -> dict[str, Exception]:
        """Commit the volumes, as the SDK does when a container ends; return what failed."""
        mounts = self._arguments.function_def.volume_mounts
        volume_ids = [m.volume_id for m in mounts if m.allow_background_commits]
        results = await asyncio.gather(
            *(
                self._ask("VolumeCommit", api_pb2.VolumeCommitRequest(volume_id=volume_id))
                for volume_id in volume_ids
            ),
            return_exceptions=True,
        )
        both = zip(volume_ids, results, strict=True)
        return {volume_id: error for volume_id, error in both if isinstance(error, Exception)}

    async def delivered(self) -> None:
        """Return once everything that was to be delivered is."""
        while self._deliveries:
            await asyncio.wait(self._deliveries)

    async def _feed(
        self, callees: Mapping[str, Callee], arrive: Callable[[Job | None], None]
    ) -> None:
        definition = self._arguments.function_def
        batch = definition.batch_max_size
        request = api_pb2.FunctionGetInputsRequest(
            function_id=self._arguments.function_id,
            batch_max_size=batch,
            batch_linger_ms=definition.batch_linger_ms,
        )
        single = definition.max_inputs == 1 or getattr(definition, "single_use_containers", False)
        try:
            while True:
                await self._slots.acquire()
                if not self._is_asking:
                    return
                items = (await self._ask("FunctionGetInputs", request)).inputs
                if not items or items[0].kill_switch:
                    return
                await asyncio.gather(*(_fetch(item.input) for item in items))
                callee = callees[items[0].input.method_name]
                job = Job(items, callee, batch > 0, self._clock.now())
                if callee.is_web:
                    await self._exchange(job)
                arrive(job)
                if single or items[-1].input.final_input:
                    return
        except EmulatorError as error:
            LOG.debug("%s gets no more inputs: %s", self._arguments.task_id, error)
        finally:
            arrive(None)

    async def _exchange(self, job: Job) -> None:
        job.exchange = Exchange(self._ask, job.call_id, self._server, self._home)
        self._exchanges[job.call_id] = job.exchange
        await job.exchange.start()

    async def _withdraw(self) -> None:
        await self._slots.acquire()

    async def _listen(self, cancel: Callable[[str], None]) -> None:
        request = api_pb2.ContainerHeartbeatRequest(canceled_inputs_return_outputs_v2=True)
        while True:
            try:
                reply = await self._ask("ContainerHeartbeat", request)
            except EmulatorError:
                return  # the server does not know the container any more
            if has(reply, "cancel_input_event"):
                for input_id in reply.cancel_input_event.input_ids:
                    cancel(input_id)

    async def _deliver(self, job: Job, answers: Sequence[Answer]) -> None:
        try:
            if job.exchange is not None:
                del self._exchanges[job.call_id]
                await job.exchange.finish()
            outputs = [
                output_item(job, item, result, self._clock, **await _placed(result.data, "data"))
                for item, result in zip(job.items, answers, strict=True)
            ]
            for start in range(0, len(outputs), _AT_ONCE):
                some = outputs[start : start + _AT_ONCE]
                await self._ask(
                    "FunctionPutOutputs", api_pb2.FunctionPutOutputsRequest(outputs=some)
                )
        except EmulatorError as error:
            LOG.debug("a result of %s was not taken: %s", self._arguments.task_id, error)
        finally:
            self._slots.release()

    def _begin(self, tasks: set[asyncio.Task[Any]], work: Coroutine[Any, Any, Any]) -> None:
        """From any thread: run this on the loop, outside of every container."""

        def begin() -> None:
            task = self._loop.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        self._server.tell(begin)


async def _fetch(message: Any) -> None:
    """Put the arguments into the input where it only names a blob."""
    if message.WhichOneof("args_oneof") == "args_blob_id":
        download = private("modal._utils.blob_utils", "blob_download")
        message.args = await download(message.args_blob_id, await stub())


async def _placed(data: bytes, name: str) -> dict[str, Any]:
    """Return the field that holds these bytes, or names the blob where they are."""
    if len(data) > private("modal._utils.blob_utils", "MAX_OBJECT_SIZE_BYTES"):
        upload = private("modal._utils.blob_utils", "blob_upload")
        return {f"{name}_blob_id": await upload(data, await stub())}
    return {name: data}

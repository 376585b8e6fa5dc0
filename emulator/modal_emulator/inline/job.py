"""
One input, or one batch of them: its arguments, its call, and what is answered.

Arguments and results go through the SDK's own serialisation, so a function gets copies and gives
copies, as on Modal. The texts of refusals are the SDK's ([sdk] _runtime/container_io_manager.py).
"""

import importlib
import inspect
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from modal_proto import api_pb2

from modal_emulator.ground.clock import Clock
from modal_emulator.inline.exchange import Exchange
from modal_emulator.inline.private import client, private
from modal_emulator.inline.service import Callee
from modal_emulator.rpc.compat import known

__all__ = ["PICKLE", "Answer", "Job", "answer", "failure_of", "output_item"]

_LONGEST = 2 << 20  # of an exception's text; the SDK's limit for what goes without a blob
PICKLE = api_pb2.DATA_FORMAT_PICKLE


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one input; `data` may be large and then goes as a blob."""

    data: bytes
    data_format: int
    fields: dict[str, Any]


@dataclass(slots=True, eq=False)
class Job:
    """What one call of user code works on."""

    items: Sequence[Any]
    """FunctionGetInputsItem messages; several only in a batch."""
    callee: Callee
    is_batch: bool
    started_at: float
    thread: int = 0
    """Where synchronous code runs."""
    task: Any = None
    """The asyncio task of asynchronous code."""
    cancelled: bool = False
    exchange: Exchange | None = None
    """The messages of a web function's call."""
    dozing: list[object] = field(default_factory=list)
    """What of that call rests until the emulator's clock, or its client, goes on."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def call_id(self) -> str:
        """The function call of the first input."""
        return str(self.items[0].function_call_id)

    @property
    def token(self) -> str:
        """The attempt token of the first input, which older SDKs do not have."""
        return getattr(self.items[0], "attempt_token", "")

    @property
    def output_format(self) -> int:
        """The format to answer in."""
        wanted = self.items[0].input.data_format or PICKLE
        formats = self.callee.formats
        return wanted if wanted in formats else formats[0]

    @contextmanager
    def identified(self) -> Iterator[None]:
        """Let the SDK's `current_input_id` and its like tell about this input."""
        context = importlib.import_module("modal._runtime.execution_context")
        values = {
            "_current_input_id": self.items[0].input_id,
            "_current_function_call_id": self.call_id,
            "_current_attempt_token": self.token,
        }
        known_ones = {
            getattr(context, name): value
            for name, value in values.items()
            if hasattr(context, name)
        }
        before = [(variable, variable.set(value)) for variable, value in known_ones.items()]
        try:
            yield
        finally:
            for variable, token in before:
                variable.reset(token)

    def call(self) -> Any:
        """
        Call user code with the arguments, and return what it returns.

        Raises:
            Exception: what user code raises, or the SDK for arguments that do not fit.
        """
        from modal.exception import InvalidError

        arguments, keywords = self._arguments()
        value = self.callee.function(*arguments, **keywords)
        if self.callee.is_generator:
            expected = inspect.isasyncgen if self.callee.is_async else inspect.isgenerator
            if not expected(value):
                raise InvalidError(f"Generator function returned value of type {type(value)}")
        elif self.callee.is_async:
            if not inspect.iscoroutine(value):
                raise InvalidError(
                    f"Async (non-generator) function returned value of type {type(value)}"
                    " You might need to use @app.function(..., is_generator=True)."
                )
        elif inspect.iscoroutine(value) or inspect.isgenerator(value) or inspect.isasyncgen(value):
            raise InvalidError(
                f"Sync (non-generator) function return value of type {type(value)}."
                " You might need to use @app.function(..., is_generator=True)."
            )
        return value

    def results(self, value: Any) -> list[Any]:
        """Return one result per input."""
        from modal.exception import InvalidError

        if not self.is_batch:
            return [value]
        name = self.callee.function.__name__
        if not isinstance(value, list):
            raise InvalidError(f"Output of batched function {name} must be a list.")
        if len(value) != len(self.items):
            raise InvalidError(
                f"Output of batched function {name} must be a list of equal length as its inputs."
            )
        return value

    def _arguments(self) -> tuple[Any, dict[str, Any]]:
        each = [_unpack(item.input) for item in self.items]
        return ((), _gather(self.callee.function, each)) if self.is_batch else each[0]


def answer(value: Any, data_format: int, status: int = 0) -> Answer:
    """Return the successful result that carries this value."""
    serialize_data_format = private("modal._serialization", "serialize_data_format")
    success = status or api_pb2.GenericResult.GENERIC_STATUS_SUCCESS
    return Answer(serialize_data_format(value, data_format), data_format, {"status": success})


def failure_of(error: BaseException, task_id: str, data_format: int) -> Answer:
    """Return the result that tells the caller of an exception, with the frames of user code."""
    text = repr(error)
    if len(text) >= _LONGEST:
        short = _LONGEST - 1000
        text = f"{text[:short]}...\nTrimmed {len(text) - short} bytes from original exception"
    frames, lines = _traceback(error, task_id)
    written = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    fields = {
        "status": api_pb2.GenericResult.GENERIC_STATUS_FAILURE,
        "exception": text,
        "traceback": written,
    }
    if data_format != PICKLE:
        return Answer(b"", data_format, fields)
    return Answer(
        _pickled(error), data_format, {**fields, "serialized_tb": frames, "tb_line_cache": lines}
    )


def output_item(job: Job, item: Any, result: Answer, clock: Clock, **data: Any) -> Any:
    """Return the message that brings one result home; `data` is where its bytes are."""
    return known(
        api_pb2.FunctionPutOutputsItem,
        input_id=item.input_id,
        input_started_at=job.started_at,
        output_created_at=clock.now(),
        result=api_pb2.GenericResult(**result.fields, **data),
        data_format=result.data_format,
        retry_count=item.retry_count,
    )


def _unpack(message: Any) -> tuple[Any, dict[str, Any]]:
    if not message.args:
        return (), {}
    read = private("modal._serialization", "deserialize_data_format")
    args, kwargs = read(message.args, message.data_format or PICKLE, client())
    return args, kwargs


def _gather(function: Any, each: list[tuple[Any, dict[str, Any]]]) -> dict[str, list[Any]]:
    """Turn the arguments of many calls into lists, one per parameter."""
    from modal.exception import InvalidError

    names = list(inspect.signature(function).parameters)
    called, rows = function.__name__, []
    for args, kwargs in each:
        if (count := len(args) + len(kwargs)) != len(names):
            raise InvalidError(
                f"Modal batched function {called} takes {len(names)} positional arguments, "
                f"but one invocation in the batch has {count}."
            )
        row = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise InvalidError(
                    f"Modal batched function {called} got unexpected keyword argument {name} "
                    "in one invocation in the batch."
                )
            if name in row:
                raise InvalidError(
                    f"Modal batched function {called} got multiple values for argument {name} "
                    "in one invocation in the batch."
                )
            row[name] = value
        rows.append(row)
    return {name: [row[name] for row in rows] for name in names}


def _pickled(error: BaseException) -> bytes:
    from modal.exception import SerializationError

    serialize = private("modal._serialization", "serialize")

    try:
        return bytes(serialize(error))
    except Exception as why:
        text = f"Failed to serialize exception {error} of type {type(error)}: {why}"
        return bytes(serialize(SerializationError(text)))


def _traceback(error: BaseException, task_id: str) -> tuple[bytes, bytes]:
    serialize = private("modal._serialization", "serialize")
    extract_traceback = private("modal._traceback", "extract_traceback")
    try:
        frames, lines = extract_traceback(error, task_id)
        return bytes(serialize(frames)), bytes(serialize(lines))
    except Exception:  # a traceback that cannot be told is left out, as the SDK does
        return b"", b""

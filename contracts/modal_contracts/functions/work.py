"""
What the functions of these clauses do.

Sent by reference; only the standard library and `modal` may be imported here.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import modal

__all__ = [
    "OfOurOwn",
    "call_others",
    "combine",
    "container",
    "count_async",
    "count_up",
    "die_at_first",
    "double",
    "double_async",
    "double_each",
    "echo",
    "fail_at_first",
    "fail_on_odd",
    "fails_after_one",
    "first_only",
    "give",
    "ids",
    "last_first",
    "leave_mark",
    "leaves",
    "linger",
    "nothing",
    "raises",
    "raises_of_our_own",
    "relay",
    "sleep",
    "spawn_and_wait",
    "spawns",
    "tell_and_wait",
    "tell_and_wait_async",
    "tell_env",
    "unpicklable",
    "unpicklable_error",
    "yields_before",
]


class OfOurOwn(Exception):
    """An exception with something to carry."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text, code)
        self.code = code


def combine(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """Return what it was called with."""
    return args, kwargs


def echo(value: Any) -> Any:
    """Return the argument."""
    return value


def nothing() -> None:
    """Return at once."""


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


async def double_async(number: int) -> int:
    """Double a number, in its own time."""
    await asyncio.sleep(0)
    return 2 * number


def count_up(most: int) -> Iterator[int]:
    """Count from zero."""
    yield from range(most)


async def count_async(most: int) -> AsyncIterator[int]:
    """Count from zero, in its own time."""
    for number in range(most):
        await asyncio.sleep(0)
        yield number


def give(sizes: list[int]) -> Iterator[bytes]:
    """Give values of these sizes."""
    for number, size in enumerate(sizes):
        yield bytes([number]) * size


def relay(source: "modal.Function[..., Any, Any]", most: int) -> Iterator[int]:
    """Give what another generator gives, tenfold."""
    for number in source.remote_gen(most):
        yield 10 * number


def call_others(others: "list[modal.Function[..., Any, Any]]", number: int) -> list[Any]:
    """Call other functions from within a container, one after the other."""
    return [other.remote(number) for other in others]


def container() -> str:
    """Return in which container this is; nothing where it is none."""
    return os.environ.get("MODAL_TASK_ID", "")


def tell_env(name: str) -> str | None:
    """Return an environment variable."""
    return os.environ.get(name)


def sleep(seconds: float) -> str:
    """Take so long; return in which container."""
    time.sleep(seconds)
    return container()


def linger(marks: modal.Queue, go: modal.Queue) -> str:
    """Say that it is there, and go on once it is told to; return in which container."""
    marks.put(container())
    go.get()
    return container()


def leave_mark(marks: modal.Queue, mark: str) -> None:
    """Leave a mark."""
    marks.put(mark)


def raises(text: str) -> None:
    """Fail."""
    raise LookupError(text)


def raises_of_our_own(text: str, code: int) -> None:
    """Fail with an exception that this package knows."""
    try:
        raise KeyError(text)
    except KeyError as error:
        raise OfOurOwn(text, code) from error


def fail_on_odd(number: int) -> int:
    """Double even numbers only."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return 2 * number


def unpicklable() -> Any:
    """Return what cannot be sent."""
    return [(number for number in range(3))]


def unpicklable_error() -> None:
    """Raise what cannot be sent."""
    error = RuntimeError("this cannot be sent")
    error.lock = (number for number in range(3))  # type: ignore[attr-defined]
    raise error


def fail_at_first(marks: modal.Queue, times: int) -> int:
    """Fail so many times, then return how often this ran."""
    marks.put(time.time())
    tries = marks.len()
    if tries <= times:
        raise ArithmeticError(f"try {tries}")
    return tries


def die_at_first(marks: modal.Queue, times: int) -> int:
    """End the container without a word so many times, then return how often this ran."""
    marks.put(container())
    tries = marks.len()
    if tries <= times:
        os._exit(3)
    return tries


def tell_and_wait(marks: modal.Queue, seconds: float) -> None:
    """Say how it begins and how it ends; in between, wait."""
    # From a thread, for who reads it may act at once, and the SDK would be in the midst of a call.
    saying = threading.Timer(min(0.2, seconds), marks.put, ["begins"])
    saying.start()
    try:
        time.sleep(seconds)
        saying.join()
    except BaseException as error:
        marks.put(type(error).__name__)
        raise
    marks.put("ends")


async def tell_and_wait_async(marks: modal.Queue, seconds: float) -> None:
    """Say how it begins and how it ends; in between, wait."""
    try:
        await marks.put.aio("begins")
        await asyncio.sleep(seconds)
    except BaseException as error:
        await marks.put.aio(type(error).__name__)
        raise
    await marks.put.aio("ends")


def last_first(number: int, queue: modal.Queue) -> int:
    """Return a number; the first one waits to be told to."""
    if number == 0:
        queue.get()
    return number


def yields_before(go: modal.Queue) -> Any:
    """Give something before it is told to go on, and something after."""
    yield "first"
    go.get()
    yield "second"


def fails_after_one(go: modal.Queue) -> Any:
    """Give one value, wait, and fail."""
    yield 1
    go.get()
    raise LookupError("no more")


def double_each(numbers: list[int]) -> list[tuple[int, int]]:
    """Double each number, and say with how many it came."""
    return [(2 * number, len(numbers)) for number in numbers]


def first_only(numbers: list[int]) -> list[int]:
    """Answer with one more than was asked."""
    return [*numbers, 0]


def leaves() -> None:
    """Leave as a program would."""
    raise SystemExit(3)


def spawns(other: Any, argument: str) -> str:
    """Have another function called; return the id of the call."""
    return str(other.spawn(argument).object_id)


def ids() -> tuple[str | None, str | None]:
    """Return by which ids it is called."""
    return modal.current_input_id(), modal.current_function_call_id()


def spawn_and_wait(
    function: "modal.Function[..., str, str]",
    marks: modal.Queue,
    go: modal.Queue,
    ids: modal.Queue,
) -> None:
    """Have another function called, say by which id, and wait for it."""
    call = function.spawn(marks, go)
    ids.put(call.object_id)
    call.get()

"""Work that a thread has another thread's loop do."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from fakes import settle
from modal_emulator.runtime.abroad import Abroad


class BrokenOff(BaseException):
    """What is put into a thread."""


class Breaking:
    """A loop; who has it call back meets an exception once that has `begun`, as threads can."""

    def __init__(self, loop: asyncio.AbstractEventLoop, begun: Event) -> None:
        self._loop = loop
        self._begun = begun
        self._breaks = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_soon_threadsafe(self, callback: Callable[[], None], **options: Any) -> None:
        self._loop.call_soon_threadsafe(callback, **options)
        if self._breaks:
            self._breaks = False
            self._begun.wait()
            raise BrokenOff


def waiting(abroad: Abroad[Any]) -> Any:
    """On a thread: see it through."""
    try:
        abroad.begin()
        while not abroad.wait(0.01):
            pass
        return abroad.result()
    finally:
        abroad.end()


def test_a_thread_gets_what_came_of_it() -> None:
    async def answers() -> int:
        return 42

    async def fails() -> int:
        raise ValueError("no")

    async def body() -> None:
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(waiting, Abroad(loop, answers)) == 42
        with pytest.raises(ValueError, match="no"):
            await asyncio.to_thread(waiting, Abroad(loop, fails))

    asyncio.run(body())


def test_what_has_begun_ends_with_a_thread_that_is_broken_off_before_it_waits() -> None:
    begun, ended = Event(), list[str]()

    async def goes_on() -> None:
        begun.set()
        try:
            await asyncio.Future()
        finally:
            ended.append("ended")

    async def body() -> None:
        breaking: Any = Breaking(asyncio.get_running_loop(), begun)
        with pytest.raises(BrokenOff):
            await asyncio.to_thread(waiting, Abroad(breaking, goes_on))
        await settle()
        assert ended == ["ended"]

    asyncio.run(body())


def test_what_never_began_needs_no_end() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    made = list[object]()
    with pytest.raises(RuntimeError, match="closed"):
        waiting(Abroad(loop, lambda: made.append("work")))  # type: ignore[arg-type,return-value]
    assert not made

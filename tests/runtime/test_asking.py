"""Who asks the SDK for something, by synchronicity itself."""

import asyncio
import inspect
import threading
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from synchronicity import Synchronizer

from modal_emulator.runtime.asking import NOTING, Noting, asking_lines


@pytest.fixture(autouse=True)
def noting() -> Iterator[None]:
    NOTING.take()
    yield
    NOTING.give_back()


class _Sdk:
    """Answers with who asks, from a task of its own, as the SDK's calls of the server are."""

    async def ask(self) -> list[str]:
        return await asyncio.ensure_future(_asked())

    async def ask_later(self, all_are_there: threading.Barrier) -> list[str]:
        await asyncio.to_thread(all_are_there.wait)
        return await self.ask()

    async def each(self) -> AsyncIterator[list[str]]:
        yield await self.ask()

    async def leave(self, go: asyncio.Event) -> None:
        self.left = asyncio.ensure_future(_asked(go))

    async def collect(self, go: asyncio.Event) -> list[str]:
        go.set()
        return await self.left

    async def refuse(self) -> None:
        raise ValueError("no")


async def _asked(go: asyncio.Event | None = None) -> list[str]:
    if go is not None:
        await go.wait()
    return names()


def names() -> list[str]:
    return [line.rpartition(" in ")[2] for line in asking_lines()]


@pytest.fixture
def sdk() -> Any:
    return Synchronizer().create_blocking(_Sdk)()


def outer(ask: Callable[[], Any]) -> Any:
    return ask()


def test_a_blocking_call(sdk: Any) -> None:
    assert outer(sdk.ask) == ["test_a_blocking_call", "outer"]
    assert names() == []


def test_a_generator(sdk: Any) -> None:
    for found in sdk.each():
        assert found == ["test_a_generator"]


def test_calls_of_several_threads_at_the_same_time(sdk: Any) -> None:
    both = threading.Barrier(2)

    def first() -> Any:
        return sdk.ask_later(both)

    def second() -> Any:
        return sdk.ask_later(both)

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(each) for each in (first, second)]
    assert [each.result() for each in found] == [["first"], ["second"]]


def test_calls_of_several_tasks_at_the_same_time(sdk: Any) -> None:
    both = threading.Barrier(2)

    async def first() -> Any:
        return await sdk.ask_later.aio(both)

    async def second() -> Any:
        return (await asyncio.gather(sdk.ask_later.aio(both)))[0]

    async def main() -> Any:
        return await asyncio.gather(first(), second())

    found = asyncio.run(main())
    assert "first" in found[0]
    assert "second" not in found[0]
    assert "first" not in found[1]


def test_what_goes_on_after_its_call_keeps_nothing_of_the_caller(sdk: Any) -> None:
    go = asyncio.Event()

    class Value:
        pass

    def ask() -> "weakref.ref[Value]":
        value = Value()
        sdk.leave(go)
        return weakref.ref(value)

    assert ask()() is None
    assert sdk.collect(go) == []


def test_what_is_raised_looks_as_without(sdk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> list[str]:
        with pytest.raises(ValueError, match="no") as raised:
            sdk.refuse()
        return [frame.filename for frame in traceback.extract_tb(raised.tb)]

    noted = told()
    plain = inspect.unwrap(Synchronizer._run_function_sync)
    monkeypatch.setattr(Synchronizer, "_run_function_sync", plain)
    assert sdk.ask() == []
    assert told() == noted


def test_it_ends_when_all_have_given_it_back() -> None:
    before = Synchronizer._run_function_sync  # others in this process may have taken theirs
    noting = Noting()
    noting.take()
    noting.take()
    noting.give_back()
    assert Synchronizer._run_function_sync is not before
    noting.give_back()
    assert Synchronizer._run_function_sync is before

"""Threads that code in a container starts belong to it; others do not."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from modal_emulator.runtime.backend import Exit
from modal_emulator.runtime.inline import leftover
from modal_emulator.runtime.inline.here import HERE, here
from threadyard import Stage, ThreadYard


def whose() -> str:
    """Return the container, as contexts and files say it."""
    found = here()
    return f"{found.container_id if found else ''} {Path('/mark').exists()}"


def with_thread() -> str:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(whose()))
    thread.start()
    thread.join()
    return said[0]


def with_timer() -> str:
    said: list[str] = []
    timer = threading.Timer(0, lambda: said.append(whose()))
    timer.start()
    timer.join()
    return said[0]


def with_executor() -> str:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(with_thread).result()


def with_pool() -> str:
    with ThreadPool(1) as pool:
        return pool.apply(whose)


def with_asyncio() -> str:
    async def ask() -> str:
        loop = asyncio.get_running_loop()
        said = {await asyncio.to_thread(whose), await loop.run_in_executor(None, whose), whose()}
        return said.pop() if len(said) == 1 else str(said)

    return asyncio.run(ask())


WAYS = (with_thread, with_timer, with_executor, with_pool, with_asyncio)


def test_threads_of_a_container_are_in_it(yard: ThreadYard) -> None:
    def inside() -> list[str]:
        Path("/mark").touch()
        return [way() for way in WAYS]

    async def story() -> None:
        assert await yard.call(inside) == ["ta-0 True"] * len(WAYS)
        assert [way() for way in WAYS[:4]] == [" False"] * 4
        await yard.close()

    original = threading.Thread.start
    asyncio.run(story())
    assert threading.Thread.start is original


def test_a_thread_that_only_works_for_a_container_is_not(yard: ThreadYard) -> None:
    async def story() -> None:
        def inside() -> object:
            return here()

        run = await yard.run(inside)
        token = HERE.set(await run.result())
        assert with_thread() == " False"
        HERE.reset(token)
        await yard.close()

    asyncio.run(story())


def test_what_still_runs_is_named_with_its_line(
    yard: ThreadYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftover, "_LAST_BREATH", 0.0)
    stage = Stage()

    def inside() -> None:
        threading.Thread(target=stage.stop, name="stray", daemon=True).start()

    async def story() -> None:
        run = await yard.run(inside)
        await stage.reached()
        assert await run.end() == Exit(0)
        (left,) = yard.backend.leftovers()
        assert (left.container_id, left.thread) == ("ta-0", "stray")
        assert left.place.startswith(f"{threading.__file__}:")
        stage.go_on()
        await yard.close()

    asyncio.run(story())

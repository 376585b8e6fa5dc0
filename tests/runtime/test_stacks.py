"""Which lines of user code stand on a stack, and whose wait leads to the running task."""

import asyncio
import json
import sys
import threading
from typing import Any

import pytest

from modal_emulator.runtime.stacks import lines_of, lines_waiting


def here() -> tuple[str, ...]:
    return lines_of(sys._getframe())


def test_lines_of_user_code_only() -> None:
    seen = list[tuple[str, ...]]()

    class Told(json.JSONEncoder):
        def default(self, o: object) -> object:
            seen.append(here())
            return None

    json.dumps([object()], cls=Told)
    # Neither the standard library between them, nor pytest below.
    names = [line.rpartition(" in ")[2] for line in seen[0]]
    assert names == ["test_lines_of_user_code_only", "default", "here"]
    assert all("test_stacks.py:" in line for line in seen[0])


def _run_function_sync(loop: asyncio.AbstractEventLoop, coro: Any) -> None:
    """Wait for a coroutine as synchronicity does: the names of this and of `coro` are its."""
    done = threading.Event()

    def begin() -> None:
        loop.create_task(coro).add_done_callback(lambda _: done.set())

    loop.call_soon_threadsafe(begin)
    done.wait()


@pytest.mark.parametrize("gathers", [False, True])
def test_of_several_the_one_whose_work_it_is(gathers: bool) -> None:
    found = dict[str, list[str]]()

    async def run() -> None:
        loop, both, over = asyncio.get_running_loop(), asyncio.Semaphore(0), asyncio.Event()

        async def call(name: str) -> None:
            both.release()
            await over.wait()
            idents = [each.ident for each in threads]
            found[name] = [
                line.rpartition(" in ")[2] for line in lines_waiting(idents.__contains__)
            ]

        async def part() -> None:
            inner = loop.create_task(call("part"))
            await (asyncio.gather(inner) if gathers else inner)

        def whole_asks() -> None:
            _run_function_sync(loop, call("whole"))

        def part_asks() -> None:
            _run_function_sync(loop, part())

        threads = [threading.Thread(target=each) for each in (whole_asks, part_asks)]
        for each in threads:
            each.start()
        for _ in threads:
            await both.acquire()
        over.set()
        await asyncio.gather(*(asyncio.to_thread(each.join) for each in threads))

    asyncio.run(run())
    assert found == {
        "whole": ["whole_asks", "_run_function_sync"],
        "part": ["part_asks", "_run_function_sync"],
    }

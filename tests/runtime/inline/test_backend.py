"""Thread containers: how they start, what happens in order, how they end."""

import asyncio
import threading

import pytest

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.runtime.backend import Exit, Mount
from modal_emulator.runtime.inline import leftover
from modal_emulator.runtime.inline.here import here
from threadyard import Stage, ThreadYard


def test_code_in_a_container_knows_which_one(yard: ThreadYard) -> None:
    async def story() -> None:
        def ask() -> str:
            found = here()
            assert found is not None
            return found.container_id

        assert [await yard.call(ask), await yard.call(ask)] == ["ta-0", "ta-1"]
        assert here() is None
        await yard.close()

    asyncio.run(story())


def test_what_is_raised_ends_the_container_and_is_told(yard: ThreadYard) -> None:
    async def story() -> None:
        run = await yard.run(lambda: 1 // 0)
        assert await run.end() == Exit(1)
        assert run.said(2).endswith("ZeroDivisionError: integer division or modulo by zero\n")
        await yard.close()

    asyncio.run(story())


def test_a_killed_container_ends_though_a_thread_of_it_waits(
    yard: ThreadYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftover, "_LAST_BREATH", 0.0)
    stage = Stage()

    async def story() -> None:
        run = await yard.run(stage.stop)
        await stage.reached()
        await run.container.kill()
        assert await run.end() == Exit(None, 9)
        (left,) = yard.backend.leftovers()
        assert (left.container_id, left.thread) == ("ta-0", "ta-0 main")
        assert left.place.startswith(threading.__file__)
        with pytest.raises(EmulatorError, match="ta-0: the container has ended"):
            await run.container.detach("vo-1")
        stage.go_on()
        for thread in threading.enumerate():
            if thread.name == left.thread:
                thread.join()
        assert yard.backend.leftovers() == ()
        await yard.close()

    asyncio.run(story())


def test_terminate_interrupts_the_program(yard: ThreadYard) -> None:
    stage = Stage()

    async def story() -> None:
        def wait() -> str:
            try:
                stage.stop()
                while True:
                    pass
            except KeyboardInterrupt:
                return "interrupted"

        run = await yard.run(wait)
        await stage.reached()
        stage.go_on()
        await run.container.terminate()
        assert await run.result() == "interrupted"
        await run.container.terminate()  # nothing to do any more
        await run.container.kill()
        await yard.close()

    asyncio.run(story())


def test_a_place_that_cannot_be_made_is_told_at_the_start(yard: ThreadYard) -> None:
    async def story() -> None:
        mount = Mount("vo-1", "/data", yard.volume().view(sub_path="a/../b"))
        with pytest.raises(EmulatorError, match=r"ta-0: .*not inside the volume"):
            await yard.run(lambda: None, mount)
        assert list((yard.directory / "backend" / "containers").iterdir()) == []
        await yard.close()

    asyncio.run(story())

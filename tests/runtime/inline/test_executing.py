"""Commands in containers of threads, beside what runs there."""

import asyncio
import signal
from dataclasses import dataclass
from typing import Any

import pytest

from modal_emulator.ground.errors import Conflict, EmulatorError
from modal_emulator.runtime.backend import Exit, Mount, OpenFiles, Plan
from threadyard import Stage, ThreadYard
from yard import Executed, Run


@dataclass
class Box:
    """A yard with one container that waits."""

    yard: ThreadYard
    run: Run
    stage: Stage

    async def execute(self, *arguments: str, **options: Any) -> Executed:
        return await Run.execute(self.run, *arguments, **options)


async def _begin(yard: ThreadYard, *mounts: Mount) -> Box:
    stage = Stage()
    run = await yard.run(stage.stop, *mounts)
    await stage.reached()
    return Box(yard, run, stage)  # type: ignore[arg-type]


def test_it_sees_what_the_container_sees_and_holds_it(yard: ThreadYard) -> None:
    async def story() -> None:
        volume = yard.volume().layer(a_txt="one")
        box = await _begin(yard, Mount("vo-1", "/data", volume.view()))
        shell = await box.execute(
            "sh",
            "-c",
            "cat a.txt; echo $MORE $HOME >&2; cat",
            working_directory="/data",
            environment={"MORE": "m"},
        )
        await shell.says(b"one")
        with pytest.raises(OpenFiles):
            await box.run.container.detach("vo-1")
        await shell.execution.close_input()
        assert await shell.end() == Exit(0)
        assert shell.said[2] == b"m /root\n"
        await box.run.container.detach("vo-1")
        box.stage.go_on()
        await box.run.end()
        with pytest.raises(EmulatorError, match="has ended"):
            await box.execute("true")
        await yard.close()

    asyncio.run(story())


def test_a_terminal_and_what_cannot_be_started(yard: ThreadYard) -> None:
    async def story() -> None:
        box = await _begin(yard)
        shell = await box.execute("sh", "-c", "stty size; tty > /dev/tty", terminal=(33, 77))
        assert await shell.end() == Exit(0)
        assert shell.said[1].startswith(b"33 77\r\n/dev/pts/")
        with pytest.raises(Conflict, match="no-such-program: No such file"):
            await box.execute("no-such-program")
        with pytest.raises(Conflict, match="enter /nowhere: No such file"):
            await box.execute("true", working_directory="/nowhere")
        for terminal in (None, (33, 77)):  # at once: it is there to be told, whatever it does first
            doomed = await box.execute("sleep", "60", terminal=terminal)
            await doomed.execution.signal(signal.SIGTERM)
            assert await doomed.end() == Exit(None, signal.SIGTERM)
        left = await box.execute("sh", "-c", "echo on; sleep 60")
        await left.says(b"on")
        await box.run.container.kill()
        assert await left.end() == Exit(None, signal.SIGKILL)
        box.stage.go_on()
        await yard.close()

    asyncio.run(story())


def test_a_container_with_nothing_in_it(yard: ThreadYard) -> None:
    async def story() -> None:
        ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

        async def no_sync(_volume_id: str) -> None:
            raise AssertionError

        plan = Plan(
            container_id="ta-bare",
            arguments=b"",
            environment={"PATH": "/usr/bin:/bin"},
            mounts=(),
            files=(),
            working_directory="/root",
            socket=None,
            bare=True,
            on_output=lambda _number, _piece: None,
            on_sync=no_sync,
            on_exit=ended.set_result,
        )
        yard._functions["ta-bare"] = lambda: None
        container = await yard.backend.start(plan)
        box = Run(container, ended, [], asyncio.Event())
        alone = await box.execute("sh", "-c", "pwd; exit 4")
        assert (await alone.end(), alone.said[1]) == (Exit(4), b"/root\n")
        await container.kill()
        assert await asyncio.wait_for(ended, 60) == Exit(None, signal.SIGKILL)
        await yard.close()

    asyncio.run(story())
